"""Parquet files that hold the images' bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import SourceError
from curate.ops.images import Fault
from curate.sources.base import Keys, Sample, Shard, SourceSettings, as_text


def read(fs: Any, shard: Shard, max_bytes: int) -> Iterator[Sample]:
    settings = shard.settings or SourceSettings(path=shard.files[0])
    keys = Keys()
    row = 0
    with fs.open(shard.files[0], "rb") as file:
        parquet = _open(file, shard.files[0])
        columns = _columns(parquet.schema_arrow, settings, shard.files[0])
        for batch in parquet.iter_batches(64, columns=sorted({c for c in columns.values() if c})):
            for values in batch.to_pylist():
                yield keys.settle(_row_sample(values, columns, f"{row:09d}", max_bytes))
                row += 1


def _open(file: BinaryIO, path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except pa.ArrowException as error:
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
    if columns["image"] is None:
        raise SourceError(f"{path}: no column of image bytes; there are {', '.join(schema.names)}; set `image_col`")
    return columns


def _row_sample(values: dict[str, Any], columns: dict[str, str | None], number: str, max_bytes: int) -> Sample:
    given = {part: values[name] if name else None for part, name in columns.items()}
    image = given["image"]["bytes"] if isinstance(given["image"], dict) else given["image"]
    caption, label, url = as_text(given["caption"]), as_text(given["label"]), as_text(given["url"])
    key = number if given["key"] is None else str(given["key"])
    fault = None
    members = [("jpg", image)] if isinstance(image, bytes) else []
    if not members:
        fault = Fault("missing_image", "null or not bytes")
    elif len(image) > max_bytes:
        fault = Fault("too_many_bytes", f"{len(image)} bytes")
    if caption is not None:
        members.append(("txt", caption.encode()))
    return Sample(key, () if fault else tuple(members), url, caption, label, fault)
