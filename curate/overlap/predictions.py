"""What a model said of each image: one Parquet file, one row an image."""

from __future__ import annotations

from typing import NamedTuple

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.errors import FaultsError, SourceError

_WAYS = "`correct` (true or false, 1 or 0), or `label` and `prediction`, or `label` (a number) and `scores` (a list)"
_ALL = ("benchmark", "shard", "key", "correct", "label", "prediction", "scores")


class Predictions(NamedTuple):
    """(N,) names of benchmarks and shards (None where the file has no such column) and keys; (N,) bool `correct`."""

    benchmarks: list[str] | None
    shards: list[str] | None
    keys: list[str]
    correct: NDArray[np.bool_]


def read(url: str) -> Predictions:
    """Read and check a file of predictions; FaultsError names every fault in it, SourceError if it cannot be read."""
    try:
        with fsspec.open(url, "rb") as file:
            parquet = pq.ParquetFile(file)
            table = parquet.read([name for name in _ALL if name in parquet.schema_arrow.names], use_threads=False)
            there = parquet.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{url}: no readable Parquet file of predictions: {error}") from None
    faults = [f for name in ("benchmark", "shard", "key") if name in table.column_names for f in _no_text(table, name)]
    faults += [] if "key" in table.column_names else [f"no column `key`; there are {', '.join(there)}"]
    faults += [] if table.num_rows else ["it has no rows"]
    if faults:
        raise FaultsError(url, faults)
    correct = _correct(url, table)
    named = {name: table[name].to_pylist() if name in table.column_names else None for name in ("benchmark", "shard")}
    return Predictions(named["benchmark"], named["shard"], table["key"].to_pylist(), correct)


def _no_text(table: pa.Table, name: str) -> list[str]:
    kind = table.schema.field(name).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return [f"column `{name}` is {kind}, want text, as in the benchmark's shards"]
    return [f"column `{name}` has {table[name].null_count:,} empty cell(s)"] if table[name].null_count else []


def _correct(url: str, table: pa.Table) -> NDArray[np.bool_]:
    columns = set(table.column_names)
    for name in columns & {"correct", "label", "prediction", "scores"}:
        if table[name].null_count:
            raise FaultsError(url, [f"column `{name}` has {table[name].null_count:,} empty cell(s)"])
    if "correct" in columns:
        return _as_bool(url, table["correct"])
    if {"label", "prediction"} <= columns:
        label, prediction = table["label"], table["prediction"]
        if _kind(label.type) is None or _kind(label.type) != _kind(prediction.type):
            fault = f"`label` is {label.type} and `prediction` {prediction.type}: want numbers or text, both alike"
            raise FaultsError(url, [fault])
        same: NDArray[np.bool_] = pc.equal(label, prediction).to_numpy()
        return same
    if {"label", "scores"} <= columns:
        return _by_scores(url, table["label"], table["scores"])
    raise FaultsError(url, [f"nothing says which predictions are right: want {_WAYS}"])


def _kind(kind: pa.DataType) -> str | None:
    if pa.types.is_integer(kind):
        return "number"
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else None


def _as_bool(url: str, column: pa.ChunkedArray) -> NDArray[np.bool_]:
    kind = column.type
    if pa.types.is_boolean(kind):
        return np.asarray(column.to_numpy(), bool)
    values = column.to_numpy() if pa.types.is_integer(kind) or pa.types.is_floating(kind) else np.array([np.nan])
    if not np.isin(values, (0, 1)).all():
        raise FaultsError(url, [f"column `correct` is {kind}, want true and false, or nothing but 1 and 0"])
    right: NDArray[np.bool_] = values == 1
    return right


def _by_scores(url: str, label: pa.ChunkedArray, scores: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Right where the label has the highest score; of equals the first counts, as in numpy's argmax."""
    kind = scores.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not listed or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise FaultsError(url, [f"column `scores` is {kind}, want a list of numbers an image"])
    if _kind(label.type) != "number":
        raise FaultsError(url, [f"column `label` is {label.type}, beside `scores` want the number of the class"])
    labels, widths = label.to_numpy(), np.unique(pc.list_value_length(scores).to_numpy())
    if len(widths) > 1 or not 0 <= labels.min() <= labels.max() < widths[0]:
        said = f"`scores` have {' or '.join(map(str, widths[:3]))} numbers, `label` is {labels.min()} to {labels.max()}"
        raise FaultsError(url, [f"{said}: want as many scores in every row as there are classes"])
    values = pc.list_flatten(scores).to_numpy().reshape(len(labels), widths[0])  # null is NaN
    if np.isnan(values).any():
        raise FaultsError(url, [f"`scores` of {int(np.isnan(values).any(axis=1).sum()):,} row(s) are null or NaN"])
    right: NDArray[np.bool_] = values.argmax(axis=1) == labels
    return right
