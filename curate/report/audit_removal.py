"""The removal list: the samples of the corpus that show a benchmark image, by key, and by DataComp's uid if known."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.errors import CurateError
from curate.ops import parquet
from curate.report.pairs import in_words
from curate.report.shards import Shards
from curate.runfile import RunFile
from curate.sources.base import printable
from curate.steps.matches import Matches
from curate.store import Store

_UID = re.compile(r"[0-9a-f]{32}")
_SCHEMA = pa.schema([(name, pa.string()) for name in ("shard", "key", "benchmark", "why", "uid")])


class Removed(NamedTuple):
    """A row a sample and benchmark that it shows, by the best match; and why there is no list of uids, if so."""

    table: pa.Table
    no_uids: str


def removed(run: RunFile, store: Store, shards: Shards) -> Removed:
    """The samples that show an image of a benchmark that counts: columns shard, key, benchmark, why, uid."""
    matches = Matches(run, store)
    rows = [row for part in store.dataset("contamination").parts() for row in _of_part(matches, part)]
    uids, why = _uids(shards, rows)
    rows = [{**row, "uid": uids.get((row["shard"], row["key"]))} for row in rows]
    return Removed(pa.Table.from_pylist(rows, schema=_SCHEMA), why)


def _of_part(matches: Matches, part: str) -> Iterator[dict[str, Any]]:
    seen = set()
    for match in matches.counted(part).to_pylist():  # a sample's best first
        name = match["key"], match["benchmark"]
        if name not in seen:
            seen.add(name)
            image = f"{match['benchmark_shard']}:{match['benchmark_key']}"
            yield {**{n: match[n] for n in ("shard", "key", "benchmark")}, "why": f"shows {image}: {in_words(match)}"}


def _uids(shards: Shards, rows: Sequence[dict[str, Any]]) -> tuple[dict[tuple[str, str], str], str]:
    """The samples' uids: their keys, where these are uids, else as the Parquet beside the shard says."""
    wanted = {(row["shard"], row["key"]) for row in rows}
    found = {name: name[1] for name in wanted if _UID.fullmatch(name[1])}
    if len(found) == len(wanted):
        return found, ""
    try:
        corpus = shards.of("")
        for shard in sorted({name[0] for name in wanted - found.keys()}):
            told = _beside(corpus[shard].files if shard in corpus else ())
            found |= {name: told[name[1]] for name in wanted if name[0] == shard and name[1] in told}
    except (CurateError, OSError, pa.ArrowException) as error:
        return {}, f"the corpus cannot be asked for uids: {str(error).splitlines()[0]}"
    lacking = len(wanted) - len(found)
    return (
        found,
        f"{lacking:,} of {len(wanted):,} samples have no uid, as key or in a Parquet beside" if lacking else "",
    )


def _beside(files: Sequence[str]) -> dict[str, str]:
    """Key -> uid, from the Parquet that lies beside a tar, if it has both."""
    for file in files[1:]:
        with fsspec.open(file, "rb") as opened:
            if {"key", "uid"} <= set(pq.read_schema(opened).names):
                opened.seek(0)
                rows = parquet.read(opened, ["key", "uid"]).to_pylist()
                return {str(row["key"]): row["uid"] for row in rows if _UID.fullmatch(str(row["uid"]))}
    return {}


def as_text(table: pa.Table) -> bytes:
    """A line a sample, SHARD:KEY, as `curate explain` takes them."""
    names = dict.fromkeys(zip(table["shard"].to_pylist(), table["key"].to_pylist(), strict=True))
    return "".join(f"{printable(shard)}:{printable(key)}\n" for shard, key in names).encode()


def as_npy(uids: Sequence[str]) -> bytes:
    """DataComp's list of uids, as its resharder reads it: sorted, each once, upper and lower 64 bits, dtype `u8,u8`."""
    out = io.BytesIO()
    np.save(out, packed(uids))
    return out.getvalue()


def packed(uids: Sequence[str]) -> NDArray[np.void]:
    """Uids of 32 hex digits -> (N,) of two uint64, sorted, each once."""
    halves = sorted({(int(uid[:16], 16), int(uid[16:], 16)) for uid in uids})
    return np.array(halves, np.dtype("u8,u8"))
