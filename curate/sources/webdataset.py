"""WebDataset tars, ours and img2dataset's."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from curate.contracts import statuses
from curate.errors import SourceError
from curate.ops import tars
from curate.ops.images import Fault
from curate.sources.base import Keys, Sample, Shard, as_text, lose, printable

Listed = dict[str, list[dict[str, Any]]]
"""Rows of the Parquet beside a tar, by key; a foreign one may list a key twice."""


def read(fs: Any, shard: Shard, max_bytes: int) -> Iterator[Sample]:
    """Samples of the tar; then those its Parquet lists but the tar does not hold, with the reason."""
    listed, keys = _beside(fs, shard), Keys()
    with fs.open(shard.files[0], "rb") as file:
        for sample in _group(file, max_bytes):
            rows = listed.get(sample.key)
            yield keys.settle(_told(sample, rows.pop(0)) if rows else sample)
    for rows in listed.values():
        for row in rows:
            lost = Sample(str(row["key"]), fault=_why_absent(row))
            yield keys.settle(_told(lost, row))


def parse(data: bytes) -> Sample | None:
    """The first sample of a tar's bytes, such as those that the index of a clean shard points at."""
    return next(_group(io.BytesIO(data), len(data)), None)


def _beside(fs: Any, shard: Shard) -> Listed:
    listed: Listed = {}
    if len(shard.files) < 2:
        return listed
    try:
        with fs.open(shard.files[1], "rb") as file:
            parquet = pq.ParquetFile(file)
            wanted = ("key", "url", "caption", "status", "reason", "error_message")
            have = [c for c in wanted if c in parquet.schema_arrow.names]
            rows = parquet.read(have, use_threads=False).to_pylist() if "key" in have else []
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{shard.files[1]}: {error}; it lists what the tar beside it should hold") from None
    for row in rows:
        listed.setdefault(str(row["key"]), []).append(row)
    return listed


def _told(sample: Sample, row: dict[str, Any]) -> Sample:
    """The sample with what its row says of it; the caption in the tar comes first, the URL in the Parquet."""
    caption = sample.caption or as_text(row.get("caption"))
    return sample._replace(url=as_text(row.get("url")) or sample.url, caption=caption)


def _why_absent(row: dict[str, Any]) -> Fault:
    """Why a listed sample is not in the tar: our own `reason`, else what img2dataset's `status` and message allow."""
    if row.get("status") not in ("failed_to_download", "failed_to_resize"):
        return Fault("shard_broken", "listed, but not in the tar")
    reason = row.get("reason")
    return Fault(reason if reason in statuses() else "network", as_text(row.get("error_message")) or "")


def _group(file: BinaryIO, max_bytes: int) -> Iterator[Sample]:
    """Neighbouring members of one key are one sample, as WebDataset has it. Odd members become lost samples."""
    sample = _Growing("", max_bytes)
    for member in tars.walk(file, max_bytes):
        if isinstance(member, tars.Odd) and member.kind == "folder":
            continue
        if not isinstance(member, tars.Member):
            yield from sample.done()
            sample = _Growing("", max_bytes)
            yield _lost(member)
            continue
        key, extension = tars.split_name(member.name)
        if key.endswith("/") or not key:  # `.hidden` and its like: no key is left before the first dot
            key, extension = member.name, ""
        if not sample.takes(key, extension):
            yield from sample.done()
            sample = _Growing(key, max_bytes)
        sample.add(extension, member)
    yield from sample.done()


def _lost(member: tars.Odd | tars.Broken) -> Sample:
    if isinstance(member, tars.Broken):
        return Sample(f"(byte {member.offset})", fault=Fault("shard_broken", printable(member.message)))
    return Sample(member.name, fault=Fault("bad_key", f"a {member.kind}"))


class _Growing:
    """A sample whose members are still coming in; it never holds more than `max_bytes`."""

    def __init__(self, key: str, max_bytes: int) -> None:
        self._key, self._room = key, max_bytes
        self._members: dict[str, bytes] = {}
        self._fault: Fault | None = None

    def takes(self, key: str, extension: str) -> bool:
        """A second member of one extension begins a second sample of that key."""
        return key == self._key and extension not in self._members

    def add(self, extension: str, member: tars.Member) -> None:
        self._room -= member.size + len(member.name)
        if not self._fault and (member.data is None or self._room < 0):
            self._fault = Fault("too_many_bytes", f"`{printable(member.name)[:200]}` has {member.size} bytes")
            self._members = dict.fromkeys(self._members, b"")
        self._members[extension] = b"" if self._fault else member.data or b""

    def done(self) -> Iterator[Sample]:
        if self._members:
            sample = _sample(self._key, self._members)
            yield lose(sample, self._fault) if self._fault else sample


def _sample(key: str, members: dict[str, bytes]) -> Sample:
    facts = _json(members.get("json"))
    caption = _text(members.get("txt")) or as_text(facts.get("caption"))
    sample = Sample(key, tuple(members.items()), as_text(facts.get("url")), caption, _text(members.get("cls")))
    if sample.image is None:
        return lose(sample, Fault("missing_image", f"members: {printable(', '.join(members))[:200]}"))
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
