"""Which of the matches found count when samples are decided on."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.review import verdicts
from curate.runfile import RunFile
from curate.store import Store


class Matches:
    """The matches of a run that decide something: not those of train splits, nor those that people judged `different`.

    What people said is read once, when this is made: once a worker, not once a part.
    """

    def __init__(self, run: RunFile, store: Store) -> None:
        self._run, self._store = run, store
        self._overruled = verdicts.overruled(store)

    def counted(self, part: str, columns: list[str] | None = None) -> pa.Table:
        """Those of a part of `contamination`; some columns of them, `verdicts.PAIR` among these."""
        matches = _tested(self._run, self._store.dataset("contamination").read(part, columns))
        return verdicts.upheld(matches, self._overruled.get(part, []))

    def counted_again(self, part: str, matches: pa.Table) -> pa.Table:
        """Those of a part of `clean`, out of `matches`: a sample was judged by the name it came with."""
        index = self._store.dataset("clean").read(part, ["key", "source_shard", "source_key"]).to_pylist()
        here = {(row["source_shard"], row["source_key"]): row["key"] for row in index}
        judged = [pair for pairs in self._overruled.values() for pair in pairs]
        overruled = [[*image, part, here[shard, key]] for *image, shard, key in judged if (shard, key) in here]
        return verdicts.upheld(_tested(self._run, matches), overruled)


def deciding(run: RunFile) -> dict[str, Any]:
    """The settings that decide what may stay: those of `decisions`, and which benchmarks do not count."""
    learned = _learned(run)
    return {**run.decisions.recipe(), **({"learned": learned} if learned else {})}


def _tested(run: RunFile, matches: pa.Table) -> pa.Table:
    learned = pa.array(_learned(run), pa.string())
    return matches.filter(pc.invert(pc.is_in(matches["benchmark"], value_set=learned)))


def _learned(run: RunFile) -> list[str]:
    return sorted(name for name, where in run.benchmarks.items() if where.role == "train")
