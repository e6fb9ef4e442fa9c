"""Which of the matches found count when samples are decided on."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.review import verdicts
from curate.runfile import RunFile
from curate.store import Store


def counted(run: RunFile, store: Store, part: str, columns: list[str] | None = None) -> pa.Table:
    """A part of `contamination` (or some columns, `verdicts.PAIR` among them), less what is told but decides nothing.

    That is the matches of train splits, and those that people judged `different`.
    """
    matches = _tested(run, store.dataset("contamination").read(part, columns))
    return verdicts.upheld(matches, verdicts.overruled(store).get(part, []))


def counted_again(run: RunFile, store: Store, part: str, matches: pa.Table) -> pa.Table:
    """The matches of a part of `clean`, less the same: a sample was judged by the name it came with."""
    index = store.dataset("clean").read(part, ["key", "source_shard", "source_key"]).to_pylist()
    here = {(row["source_shard"], row["source_key"]): row["key"] for row in index}
    judged = [pair for pairs in verdicts.overruled(store).values() for pair in pairs]
    overruled = [[*image, part, here[shard, key]] for *image, shard, key in judged if (shard, key) in here]
    return verdicts.upheld(_tested(run, matches), overruled)


def deciding(run: RunFile) -> dict[str, Any]:
    """The settings that decide what may stay: those of `decisions`, and which benchmarks do not count."""
    learned = _learned(run)
    return {**run.decisions.recipe(), **({"learned": learned} if learned else {})}


def _tested(run: RunFile, matches: pa.Table) -> pa.Table:
    learned = pa.array(_learned(run), pa.string())
    return matches.filter(pc.invert(pc.is_in(matches["benchmark"], value_set=learned)))


def _learned(run: RunFile) -> list[str]:
    return sorted(name for name, where in run.benchmarks.items() if where.role == "train")
