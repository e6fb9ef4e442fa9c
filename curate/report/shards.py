"""The shards of the corpus and of the benchmarks by name, as far as they are still there."""

from __future__ import annotations

from curate import sources
from curate.errors import CurateError
from curate.runfile import RunFile
from curate.sources import Shard
from curate.steps import corpus_shards
from curate.store import Store


class Shards:
    """Listed when first asked for, each once: a listing of an object store takes a request a thousand shards."""

    def __init__(self, run: RunFile, store: Store) -> None:
        self._run, self._store = run, store
        self._listed: dict[str, dict[str, Shard]] = {}
        self._gone: set[str] = set()

    def of(self, benchmark: str) -> dict[str, Shard]:
        """Those of a benchmark, or of the corpus (``); CurateError or OSError where they are gone."""
        if benchmark not in self._listed:
            where = self._run.benchmarks
            listed = sources.find(where[benchmark]) if benchmark else corpus_shards(self._run, self._store)
            self._listed[benchmark] = {shard.name: shard for shard in listed}
        return self._listed[benchmark]

    def find(self, benchmark: str, name: str) -> Shard | None:
        """One of them; None where it is gone."""
        if benchmark in self._gone:
            return None
        try:
            return self.of(benchmark).get(name)
        except (CurateError, OSError):
            self._gone.add(benchmark)
            return None
