"""Clean shards: the kept samples, copied byte for byte into WebDataset tars of a stated size, with an index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import chain, count
from typing import Any, NamedTuple

import pyarrow as pa
from pydantic import Field

from curate.config import Settings
from curate.contracts import contract
from curate.errors import SourceError
from curate.ops import tars
from curate.sources import Sample

VERSION = 1


class CleanSettings(Settings):
    """What clean shards look like."""

    samples_per_shard: int = Field(10_000, ge=1, description="samples in each clean shard but the last")
    parquet: bool = Field(False, description="write the samples as Parquet with image bytes too")


class Kept(NamedTuple):
    """A kept sample with its bytes, and its row of facts (shard, key, url, caption, width, height, sha256)."""

    sample: Sample
    facts: dict[str, Any]


def emit(kept: Iterable[Kept], tar: tars.Sink) -> pa.Table:
    """Write samples to a tar in the order given -> their index, contract `clean`.

    A key that the tar already holds (two source shards may use one) becomes `SHARD_KEY`: readers of WebDataset would
    else take two neighbours of one key for one sample.
    """
    rows: list[dict[str, Any]] = []
    keys: set[str] = set()
    offset = 0
    for sample, facts in kept:
        if hashlib.sha256(sample.image or b"").digest() != facts["sha256"]:
            raise SourceError(
                f"shard {facts['shard']}: the bytes of `{sample.key}` changed since it was signed; sign it again"
            )
        key = _free(sample.key, facts["shard"], keys)
        length = sum(tars.write(tar, f"{key}.{extension}", data) for extension, data in sample.members)
        same = {name: facts[name] for name in ("url", "caption", "width", "height", "sha256")}
        source = {"source_shard": facts["shard"], "source_key": sample.key}
        rows.append({"key": key, **source, "offset": offset, "length": length, **same})
        offset += length
    tar.write(tars.END)
    return pa.Table.from_pylist(rows, schema=contract("clean").schema)


def _free(key: str, shard: str, keys: set[str]) -> str:
    """A key that the tar does not hold yet, and that WebDataset reads back whole: without dots in its last step."""
    for wish in chain((key, f"{shard}_{key}"), (f"{shard}_{key}_{number}" for number in count(2))):
        folder, slash, base = wish.rpartition("/")
        free = folder + slash + base.replace(".", "_")
        if free not in keys:
            break
    keys.add(free)
    return free


def as_table(samples: Iterable[Sample]) -> pa.Table:
    """The samples of a clean tar with their bytes -> contract `images`."""
    rows = [
        {
            "key": s.key,
            "url": s.url,
            "caption": s.caption,
            "label": s.label,
            "image": s.image,
            "json": dict(s.members).get("json"),
        }
        for s in samples
    ]
    return pa.Table.from_pylist(rows, schema=contract("images").schema)
