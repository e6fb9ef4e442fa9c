"""Check a finished run: every part against its own digests, and the promises between the datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from curate.runfile import RunFile
from curate.steps import dataset_names
from curate.store import Store

_KEY = ["shard", "key"]


def verify_run(settings: RunFile, store: Store, say: Callable[[str], None]) -> list[str]:
    """Every fault found, each with its place; none when the run is what it says it is."""
    faults: list[str] = []
    for name in dataset_names(settings):
        found = list(_dataset_faults(store, name))
        say(f"{'✗' if found else '✓'} {name}: {len(store.dataset(name).parts())} part(s) digested")
        faults += found
    return faults or list(_promise_faults(settings, store))


def _promise_faults(settings: RunFile, store: Store) -> Iterator[str]:
    yield from _nothing_vanished(settings, store)
    yield from _keepers_are_kept(store)
    if not settings.audit:
        yield from _clean_is_kept(store)


def _dataset_faults(store: Store, name: str) -> Iterator[str]:
    data = store.dataset(name)
    manifest = store.read_json(name, "manifest.json")
    if manifest is None:
        yield f"{store.path(name)}: not finished, no manifest.json"
        return
    parts = data.parts()
    for part in sorted(set(parts) ^ set(manifest["parts"])):
        yield f"{data.path(part)}: {'not in' if part in parts else 'missing, but in'} the manifest"
    for part in parts:
        faults = data.verify(part)
        yield from faults
        said = manifest["parts"].get(part)
        if said and not faults and data.footer(part).rows != said["rows"]:
            yield f"{data.path(part)}: not the part that the manifest names"


def _nothing_vanished(settings: RunFile, store: Store) -> Iterator[str]:
    """Promise 1: a decision for every input sample."""
    source = "urls" if settings.urls else "signatures"
    for part in store.dataset(source).parts():
        given = store.dataset(source).read(part, ["key"])["key"]
        decided = store.dataset("decisions").read(part, ["key"])["key"]
        lost = pc.sum(pc.invert(pc.is_in(given, value_set=decided.combine_chunks()))).as_py()
        if lost:
            yield f"{store.path('decisions')}: {lost} sample(s) of {source} part {part} have no decision"


def _keepers_are_kept(store: Store) -> Iterator[str]:
    """Promise 2: every dropped duplicate names a sample that is kept, by this run or by the one it names."""
    decisions = store.dataset("decisions").read_all(["key", "rule", "match_run", "match_shard", "match_key"])
    copies = decisions.filter(pc.equal(decisions["rule"], "duplicate"))
    for run in pc.unique(copies["match_run"]).to_pylist():
        mine = copies.filter(pc.equal(copies["match_run"], run) if run else pc.is_null(copies["match_run"]))
        told = (Store(run) if run else store).dataset("decisions").read_all([*_KEY, "decision"])
        kept = told.filter(pc.equal(told["decision"], "keep")).select(_KEY)
        orphans = mine.select(["key", "match_shard", "match_key"]).join(
            kept, ["match_shard", "match_key"], _KEY, "left anti"
        )
        for row in orphans.to_pylist():
            keeper = f"{run or ''} {row['match_shard']}:{row['match_key']}".strip()
            yield f"decisions: `{row['key']}` is dropped for {keeper}, which is not kept"


def _clean_is_kept(store: Store) -> Iterator[str]:
    """Promise 4, the count of it: the clean shards hold exactly the kept samples (their bytes were digested above)."""
    decisions = store.dataset("decisions").read_all([*_KEY, "decision"])
    kept = decisions.filter(pc.equal(decisions["decision"], "keep")).select(_KEY)
    clean: pa.Table = store.dataset("clean").read_all(["source_shard", "source_key"])
    for kind, left, right in (("left anti", kept, clean), ("right anti", kept, clean)):
        odd = left.join(right, _KEY, ["source_shard", "source_key"], kind)
        for row in odd.slice(0, 5).to_pylist():
            yield f"clean: {row} is {'kept but not emitted' if kind == 'left anti' else 'emitted but not kept'}"
