"""Clean shards: the kept samples, copied byte for byte into WebDataset tars of a stated size, with an index."""

from __future__ import annotations

import hashlib
import json
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
from curate.stages.duplicates import folded

VERSION = 2


class CleanSettings(Settings):
    """What clean shards look like."""

    samples_per_shard: int = Field(10_000, ge=1, description="samples in each clean shard but the last")
    parquet: bool = Field(False, description="write the samples as Parquet with image bytes too")


class Kept(NamedTuple):
    """A kept sample with its bytes, its row of facts (shard, key, url, caption, width, height, sha256), and the
    captions of what was dropped for it, where these are merged.
    """

    sample: Sample
    facts: dict[str, Any]
    captions: tuple[str, ...] = ()


def emit(kept: Iterable[Kept], tar: tars.Sink) -> pa.Table:
    """Write samples to a tar in the order given -> their index, contract `clean`.

    A key that the tar already holds (two source shards may use one) becomes `SHARD_KEY`: readers of WebDataset would
    else take two neighbours of one key for one sample.
    """
    rows: list[dict[str, Any]] = []
    keys: set[str] = set()
    offset = 0
    for sample, facts, captions in kept:
        if hashlib.sha256(sample.image or b"").digest() != facts["sha256"]:
            raise SourceError(
                f"shard {facts['shard']}: the bytes of `{sample.key}` changed since it was signed; sign it again"
            )
        key = _free(sample.key, facts["shard"], keys)
        length = sum(tars.write(tar, f"{key}.{extension}", data) for extension, data in with_captions(sample, captions))
        same = {name: facts[name] for name in ("url", "caption", "width", "height", "sha256")}
        source = {"source_shard": facts["shard"], "source_key": sample.key}
        rows.append({"key": key, **source, "offset": offset, "length": length, **same})
        offset += length
    tar.write(tars.END)
    return pa.Table.from_pylist(rows, schema=contract("clean").schema)


def with_captions(sample: Sample, captions: Iterable[str]) -> tuple[tuple[str, bytes], ...]:
    """The members of a sample; where its copies had other captions, its json with a list `captions`, its own first.

    All other members, and the rest of the json, stay as they are. A json that is no object stays too, and the list
    stands in a member `captions.json` beside it.
    """
    distinct: dict[str, str] = {}
    for text in (sample.caption or "", *captions):
        distinct.setdefault(folded(text), text)
    told = [text for key, text in distinct.items() if key]
    if told == [sample.caption] or not told:
        return sample.members
    members = dict(sample.members)
    try:
        known = json.loads(members.get("json", b"{}"))
    except ValueError:
        known = None
    name = "json" if isinstance(known, dict) else "captions.json"
    members[name] = json.dumps({**(known if name == "json" else {}), "captions": told}, ensure_ascii=False).encode()
    return tuple(members.items())


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
