"""Which of the matches found count when samples are decided on."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.review import verdicts
from curate.runfile import RunFile
from curate.store import Store

_NAMES = ["key", "source_shard", "source_key"]


def counted(run: RunFile, store: Store, part: str, columns: list[str] | None = None) -> pa.Table:
    """A part of `contamination` (or some columns, `verdicts.PAIR` among them), less what is told but decides nothing.

    That is the matches of train splits, and those that people judged `different`.
    """
    matches = _tested(run, store.dataset("contamination").read(part, columns))
    return verdicts.upheld(matches, verdicts.overruled(store).get(part, []))


def counted_again(run: RunFile, store: Store, matches: pa.Table, index: pa.Table) -> pa.Table:
    """The matches of a clean shard, less the same: `index` (contract `clean`) says where its samples came from."""
    overruled = verdicts.overruled(store)
    here = {(row["source_shard"], row["source_key"]): row["key"] for row in index.select(_NAMES).to_pylist()}
    named = verdicts.PAIR.index("key")
    pairs = [
        [*pair[:named], here[shard, pair[named]], *pair[named + 1 :]]
        for shard, told in overruled.items()
        for pair in told
        if (shard, pair[named]) in here
    ]
    return verdicts.upheld(_tested(run, matches), pairs)


def deciding(run: RunFile) -> dict[str, Any]:
    """The settings that decide what may stay: those of `decisions`, and which benchmarks do not count."""
    learned = _learned(run)
    return {**run.decisions.recipe(), **({"learned": learned} if learned else {})}


def _tested(run: RunFile, matches: pa.Table) -> pa.Table:
    learned = pa.array(_learned(run), pa.string())
    return matches.filter(pc.invert(pc.is_in(matches["benchmark"], value_set=learned)))


def _learned(run: RunFile) -> list[str]:
    return sorted(name for name, where in run.benchmarks.items() if where.role == "train")
