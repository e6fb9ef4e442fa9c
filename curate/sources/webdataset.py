"""WebDataset tars, ours and img2dataset's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from curate.ops import tars
from curate.ops.images import Fault
from curate.sources.base import Keys, Sample, Shard, as_text, printable


def read(fs: Any, shard: Shard, max_bytes: int) -> Iterator[Sample]:
    """Samples of the tar; then those its Parquet lists but the tar does not hold, with the reason."""
    listed = _beside(fs, shard)
    with fs.open(shard.files[0], "rb") as file:
        for sample in _group(file, max_bytes):
            row = listed.pop(sample.key, None)
            if row:
                sample = sample._replace(url=row.get("url"), caption=sample.caption or row.get("caption"))
            yield sample
    for key, row in listed.items():
        lost = row.get("status") == "success"
        reason = row.get("reason") or "network"
        fault = (
            Fault("shard_broken", "listed, but not in the tar") if lost else Fault(reason, row["error_message"] or "")
        )
        yield Sample(key, url=row.get("url"), caption=row.get("caption"), fault=fault)


def _beside(fs: Any, shard: Shard) -> dict[str, dict[str, Any]]:
    if len(shard.files) < 2:
        return {}
    with fs.open(shard.files[1], "rb") as file:
        parquet = pq.ParquetFile(file)
        wanted = ("key", "url", "caption", "status", "reason", "error_message")
        table = parquet.read([c for c in wanted if c in parquet.schema_arrow.names])
    return {row["key"]: row for row in table.to_pylist()}


def _group(file: BinaryIO, max_bytes: int) -> Iterator[Sample]:
    """Neighbouring members of one key are one sample, as WebDataset has it. Odd members become lost samples."""
    keys = Keys()
    key: str | None = None
    members: list[tuple[str, bytes]] = []
    fault: Fault | None = None

    def finish() -> Iterator[Sample]:
        if key is not None:
            yield keys.settle(_sample(key, tuple(members), fault))

    for member in tars.walk(file, max_bytes):
        if isinstance(member, tars.Broken):
            yield from finish()
            yield Sample(f"(byte {member.offset})", fault=Fault("shard_broken", member.message))
            return
        if isinstance(member, tars.Odd):
            if member.kind != "folder":
                yield from finish()
                key = None
                yield keys.settle(Sample(member.name, fault=Fault("bad_key", f"a {member.kind}")))
            continue
        stem, extension = tars.split_name(member.name)
        if stem != key:
            yield from finish()
            key, members, fault = stem, [], None
        if member.data is None:
            fault = Fault("too_many_bytes", f"`{member.name}` has {member.size} bytes")
        else:
            members.append((extension, member.data))
    yield from finish()


def _sample(key: str, members: tuple[tuple[str, bytes], ...], fault: Fault | None) -> Sample:
    by_extension = dict(members)
    facts = _json(by_extension.get("json"))
    caption = _text(by_extension.get("txt")) or facts.get("caption")
    label = _text(by_extension.get("cls"))
    url = facts.get("url")
    sample = Sample(key, members, as_text(url), as_text(caption), label, fault)
    if fault is None and sample.image is None:
        sample = sample._replace(fault=Fault("missing_image", f"members: {printable(', '.join(by_extension))}"))
    return sample


def _json(data: bytes | None) -> dict[str, Any]:
    if not data or len(data) > 1 << 20:
        return {}
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace")
