"""Predictions joined with a run: which images of each benchmark the corpus shows, and which predictions are right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from curate.benchmarks import members
from curate.errors import CurateError, FaultsError
from curate.overlap.comparison import Comparison, Split, compare
from curate.overlap.predictions import Predictions
from curate.runfile import RunFile
from curate.store import Store

Place = tuple[str, str]
"""An image of a benchmark: (shard, key)."""


class Images(NamedTuple):
    """The images of one benchmark of a run: the shards that have each key, and those that the corpus shows."""

    shards: Mapping[str, tuple[str, ...]]
    shown: frozenset[Place]


def images_of(store: Store, benchmark: str) -> Images:
    """What a finished run knows of a benchmark's images; CurateError where it is not finished."""
    for name in ("views", "contamination"):
        if store.read_json(name, "manifest.json") is None:
            raise CurateError(f"{store.path(name)}: not finished; finish the run first")
    shards: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    views = store.dataset("views")
    for part in views.parts():
        if part.startswith(f"{benchmark}."):
            seen = views.read(part, ["benchmark", "shard", "key"]).group_by(["benchmark", "shard", "key"])
            for row in seen.aggregate([]).to_pylist():
                if row["benchmark"] == benchmark:
                    shards[row["key"]] += (row["shard"],)
    columns = ["benchmark", "benchmark_shard", "benchmark_key"]
    shown = store.dataset("contamination").read_all(columns).group_by(columns).aggregate([]).to_pylist()
    places = [(row["benchmark_shard"], row["benchmark_key"]) for row in shown if row["benchmark"] == benchmark]
    return Images(shards, frozenset(places))


class Joined(NamedTuple):
    """The comparisons, and a line for all that could not be compared."""

    found: list[Comparison]
    notes: list[str]


def join(where: str, said: Predictions, run: RunFile, store: Store, only: str | None) -> Joined:
    """Compare each benchmark, or `only` one; FaultsError where the predictions of `where` cannot be told apart."""
    rows, notes = _by_benchmark(where, said, run, only)
    found = []
    for name, mine in sorted(rows.items()):
        owner = _owner(name, run)
        assert owner is not None
        one, told = _compared(where, name, _places(said, mine), images_of(store, owner), said.correct[mine].tolist())
        found += [one] if one else []
        notes += told
    if not found:
        raise FaultsError(where, notes)
    return Joined(found, notes)


def _by_benchmark(
    where: str, said: Predictions, run: RunFile, only: str | None
) -> tuple[dict[str, list[int]], list[str]]:
    """Row numbers by benchmark, of those that are judged; and what is left out."""
    has = f"it has {', '.join(sorted(run.benchmarks)) or 'none'}"
    if only is not None and _owner(only, run) is None:
        raise CurateError(f"--benchmark {only} is no benchmark of this run; {has}")
    if said.benchmarks is None:
        name = only or next(iter(run.benchmarks), None)
        if name is None or (only is None and len(run.benchmarks) > 1):
            raise FaultsError(where, [f"no column `benchmark`, so say --benchmark NAME: {has}"])
        return {name: list(range(len(said.keys)))}, []
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(said.benchmarks):
        rows[name].append(row)
    notes = []
    for name in sorted(rows):
        why = _left_out(name, run, only)
        if why:
            notes.append(f"{len(rows.pop(name)):,} predictions are of `{name}`, {why}")
    if not rows:
        raise FaultsError(where, [*notes, f"no prediction is of a benchmark of this run; {has}"])
    return rows, notes


def _owner(name: str, run: RunFile) -> str | None:
    """The benchmark of the run that has this name, or the images of the task of this name."""
    if name in run.benchmarks:
        return name
    return next((member for member in members(name) if member in run.benchmarks), None)


def _left_out(name: str, run: RunFile, only: str | None) -> str:
    owner = _owner(name, run)
    if owner is None:
        return "which is no benchmark of this run"
    if only not in (None, name):
        return f"not of `{only}`"
    is_train = run.benchmarks[owner].role == "train"
    return "a train split, on which no model is judged" if is_train and only is None else ""


def _places(said: Predictions, rows: Iterable[int]) -> list[tuple[str | None, str]]:
    return [(said.shards[row] if said.shards else None, said.keys[row]) for row in rows]


def _compared(
    where: str, name: str, places: list[tuple[str | None, str]], images: Images, correct: list[bool]
) -> tuple[Comparison | None, list[str]]:
    """Compare one benchmark, and say of how many images and predictions nothing is known."""
    twice = [place for place, times in Counter(places).items() if times > 1]
    if twice:
        raise FaultsError(where, [f"{len(twice):,} key(s) of `{name}` come more than once, as `{twice[0][1]}`"])
    found = [_resolved(where, name, shard, key, images) for shard, key in places]
    unmatched = [key for (_, key), place in zip(places, found, strict=True) if place is None]
    notes = [f"{name}: {len(unmatched):,} keys are not in the benchmark, as `{unmatched[0]}`"] if unmatched else []
    if len(unmatched) == len(places):
        return None, [*notes, f"{name}: no key is one of its images'; these are as `{next(iter(images.shards))}`"]
    rights: dict[bool, list[bool]] = {True: [], False: []}
    for place, right in zip(found, correct, strict=True):
        if place is not None:
            rights[place in images.shown].append(right)
    overlap, clean = (Split(len(rights[side]), sum(rights[side])) for side in (True, False))
    return compare(name, overlap, clean), notes + _lacking(name, images, overlap, clean)


def _lacking(name: str, images: Images, overlap: Split, clean: Split) -> list[str]:
    total, matched = sum(map(len, images.shards.values())), overlap.images + clean.images
    notes = []
    if matched < total:
        shown = len(images.shown) - overlap.images
        notes.append(f"{name}: {total - matched:,} of its {total:,} images have no prediction, {shown:,} of Overlap")
    if not (overlap.images and clean.images):
        empty = "Clean" if overlap.images else "Overlap"
        notes.append(f"{name}: {empty} has no image with a prediction, so there is nothing to compare")
    return notes


def _resolved(where: str, name: str, shard: str | None, key: str, images: Images) -> Place | None:
    shards = images.shards.get(key, ())
    if shard is not None:
        return (shard, key) if shard in shards else None
    if len(shards) > 1:
        fault = f"key `{key}` of `{name}` is in shards {' and '.join(shards[:2])}: add a column `shard`"
        raise FaultsError(where, [fault])
    return (shards[0], key) if shards else None
