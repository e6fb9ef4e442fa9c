"""Keys: the buckets that each sample falls in, where there are too many samples to be held at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.contracts import contract
from curate.ops.buckets import CELL, digest_buckets, hash_buckets
from curate.ops.columns import matrix, present, vectors
from curate.ops.partition import Cells, whole
from curate.ops.turns import turned
from curate.stages.duplicates import DuplicatesSettings

VERSION = 2


class Place(NamedTuple):
    """A part of signatures, numbered among those of all runs, and how many spans the buckets are cut in."""

    source: int
    spans: int


def find(
    settings: DuplicatesSettings, samples: pa.Table, rows: NDArray[np.int64], place: Place, cells: Cells | None
) -> pa.Table:
    """The buckets of samples, `settings.columns` of signatures, that stand in these `rows` -> contract `keys`."""
    digests = matrix(samples["sha256"])
    found: list[_Found] = [(rows, digest_buckets(digests), digests)]
    if settings.near:
        at, hashes = present(samples["hash256_whole"])
        if settings.turned:
            at, hashes = _all_turns(at, hashes)
        found.append((rows[at], hash_buckets(hashes, settings.radius), hashes))
    if cells and settings.searches:
        clear = samples["hash256_whole"].is_valid().to_numpy()
        at, given = vectors(samples["embedding"])
        told = whole(given[clear[at]]) if len(at) else np.empty((0, cells.dims), np.int8)
        found.append((rows[at[clear[at]]], CELL | cells.asked(told), told))
    return _table(found, place)


def _all_turns(at: NDArray[np.int64], hashes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Rows (R,) and their hashes (R, 32), mirrored and turned too; each once."""
    ways = turned(hashes)
    again, every = np.tile(at, len(ways)), ways.reshape(-1, hashes.shape[1])
    told = np.ascontiguousarray(np.hstack([again.astype(">i8").view(np.uint8).reshape(-1, 8), every]))
    once = np.unique(told.view(f"V{told.shape[1]}").reshape(-1), return_index=True)[1]
    return again[once], every[once]


_Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]
"""Rows (R,), their buckets (R, B), their values (R, W) of bytes."""


def _table(found: list[_Found], place: Place) -> pa.Table:
    tables = []
    for rows, buckets, values in found:
        each = np.repeat(np.arange(len(rows)), buckets.shape[1])
        bucket = buckets.reshape(-1)
        span = (bucket.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(33)) % np.uint64(place.spans)
        told = pa.array([row.tobytes() for row in values], pa.binary()).take(pa.array(each))
        columns = {"span": span.astype(np.int32), "bucket": bucket, "source": [place.source] * len(each)}
        tables.append(contract("keys").table({**columns, "row": rows[each], "value": told}))
    ascending = [(name, "ascending") for name in ("span", "bucket", "row", "value")]
    return pa.concat_tables(tables).combine_chunks().sort_by(ascending)
