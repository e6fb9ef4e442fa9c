"""Parquet files that hold the images' bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import SourceError
from curate.ops.images import Fault
from curate.ops.parquet import batches
from curate.sources.base import IMAGES, Keys, Sample, Shard, SourceSettings, as_text, lose


def read(fs: Any, shard: Shard, max_bytes: int) -> Iterator[Sample]:
    """One sample a row, in the file's order; SourceError where the file itself cannot be read."""
    path, keys = shard.files[0], Keys()
    with fs.open(path, "rb") as file:
        parquet = _open(file, path)
        columns = _columns(parquet.schema_arrow, shard.settings or SourceSettings(path=path), path)
        for row, values in enumerate(_rows(parquet, sorted({c for c in columns.values() if c}), path)):
            yield keys.settle(_row_sample(values, columns, f"{row:09d}", max_bytes))


def counts(fs: Any, files: list[str]) -> list[int]:
    """How many rows each file holds, by its footer."""
    rows = []
    for path in files:
        with fs.open(path, "rb") as file:
            rows.append(int(_open(file, path).metadata.num_rows))
    return rows


def _rows(parquet: pq.ParquetFile, columns: list[str], path: str) -> Iterator[dict[str, Any]]:
    try:
        for batch in batches(parquet, 64, columns):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: {error}; fetch or write this file again") from None


def _open(file: BinaryIO, path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: not a readable Parquet file: {error}") from None


def _columns(schema: pa.Schema, settings: SourceSettings, path: str) -> dict[str, str | None]:
    """Which column plays which part: as set, else the first usual name that is there."""
    usual = {
        "image": (settings.image_col, ("jpg", "image", "img", "png", "webp", "image_bytes", "bytes")),
        "caption": (settings.caption_col, ("caption", "txt", "text")),
        "key": (settings.key_col, ("key", "__key__")),
        "label": (settings.label_col, ("label", "cls")),
        "url": (None, ("url",)),
    }
    columns = {}
    for part, (wanted, names) in usual.items():
        if wanted and wanted not in schema.names:
            raise SourceError(f"{path}: no column `{wanted}`; there are {', '.join(schema.names)}")
        columns[part] = wanted or next((n for n in names if n in schema.names), None)
    image = columns["image"]
    if image is None:
        raise SourceError(f"{path}: no column of image bytes; there are {', '.join(schema.names)}; set `image_col`")
    if not _holds_bytes(schema.field(image).type):
        raise SourceError(
            f"{path}: column `{image}` is {schema.field(image).type}, want bytes or a struct with `bytes`"
        )
    return columns


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):  # as Hugging Face stores images
        return any(field.name == "bytes" and _holds_bytes(field.type) for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _row_sample(values: dict[str, Any], columns: dict[str, str | None], number: str, max_bytes: int) -> Sample:
    given = {part: values[name] if name else None for part, name in columns.items()}
    image = given["image"]["bytes"] if isinstance(given["image"], dict) else given["image"]
    caption, label, url = as_text(given["caption"]), as_text(given["label"]), as_text(given["url"])
    sample = Sample(as_text(given["key"]) or number, (), url, caption, label)
    if image is None:
        return lose(sample, Fault("missing_image", "null"))
    if len(image) > max_bytes:
        return lose(sample, Fault("too_many_bytes", f"{len(image)} bytes"))
    extension = columns["image"] if columns["image"] in IMAGES else "jpg"
    text = () if caption is None else (("txt", caption.encode()),)
    return sample._replace(members=((str(extension), image), *text))
