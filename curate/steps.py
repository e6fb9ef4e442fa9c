"""The way of the data: for every stage, which parts it has, what each is made from, and how a worker makes one.

    urls -> shards -> signatures -> contamination -> duplicates -> decisions -> clean (-> images)
                      benchmarks -> views -/

A stage itself (curate/stages/) is a pure function on tables; here it is connected to the store. `duplicates` comes
behind `contamination` because a keeper must be a sample that stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from curate import sources
from curate.benchmarks import check_count
from curate.contracts import contract
from curate.errors import SourceError
from curate.executors import Needs
from curate.runfile import RunFile
from curate.sources import Shard
from curate.stages import clean, contamination, decisions, duplicates, shards, signatures, views
from curate.store import HashingFile, Store, digest_of


class Task(NamedTuple):
    """One part to be made: its name, the digest of its inputs' content, and what the stage needs to find them."""

    name: str
    inputs: str
    payload: Any


Work = Callable[[Task, HashingFile | None], pa.Table]


class Opened(NamedTuple):
    """A stage in a worker, its model or index loaded: makes parts. `facts` (model, weights) go into the footers."""

    work: Work
    facts: dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One stage as the runner sees it."""

    name: str
    version: int
    needs: tuple[str, ...]
    settings: Callable[[RunFile], dict[str, Any]]
    tasks: Callable[[RunFile, Store], list[Task]]
    open: Callable[[RunFile, Store], Opened]
    wanted: Callable[[RunFile], bool] = lambda run: True
    room: Callable[[RunFile], Needs] = lambda run: Needs()
    emits_tar: bool = False


# -- shards ------------------------------------------------------------------------------------------------------


def _shards_tasks(run: RunFile, store: Store) -> list[Task]:
    del run
    return [Task(name, footer.rows, name) for name, footer in store.dataset("urls").footers().items()]


def _shards_open(run: RunFile, store: Store) -> Opened:
    assert run.shards
    fetch = shards.make(run.shards)
    urls = store.dataset("urls")

    def work(task: Task, tar: HashingFile | None) -> pa.Table:
        assert tar
        return fetch(urls.read(task.payload), tar)

    return Opened(work, {})


# -- signatures --------------------------------------------------------------------------------------------------


def corpus_shards(run: RunFile, store: Store) -> list[Shard]:
    """The corpus' shards, wherever they lie: downloaded by this run, or found."""
    if run.corpus:
        return sources.find(run.corpus)
    data = store.dataset("shards")
    return [
        Shard(name, "tar", (store.url("shards", f"{name}.tar"), store.url("shards", f"{name}.parquet")), footer.rows)
        for name, footer in data.footers().items()
    ]


def _signatures_tasks(run: RunFile, store: Store) -> list[Task]:
    return [Task(shard.name, shard.digest, shard) for shard in corpus_shards(run, store)]


def _signatures_open(run: RunFile, store: Store) -> Opened:
    del store
    sign = signatures.make(run.signatures)

    def work(task: Task, tar: HashingFile | None) -> pa.Table:
        del tar
        return sign(task.payload.name, sources.read(task.payload, run.signatures.max_bytes))

    return Opened(work, sign.facts)


# -- views -------------------------------------------------------------------------------------------------------


def _views_tasks(run: RunFile, store: Store) -> list[Task]:
    del store
    found = [(name, shard) for name, where in sorted(run.benchmarks.items()) for shard in sources.find(where)]
    return [Task(f"{name}.{shard.name}", digest_of([name, shard.digest]), (name, shard)) for name, shard in found]


def _views_open(run: RunFile, store: Store) -> Opened:
    del store
    look = views.make(run.signatures)

    def work(task: Task, tar: HashingFile | None) -> pa.Table:
        del tar
        name, shard = task.payload
        return look(name, shard.name, sources.read(shard))

    return Opened(work, {})


# -- contamination -----------------------------------------------------------------------------------------------


def _contamination_tasks(run: RunFile, store: Store) -> list[Task]:
    named = store.dataset("views").read_all(["benchmark", "shard", "key"]).group_by(["benchmark", "shard", "key"])
    counts = Counter(named.aggregate([])["benchmark"].to_pylist())
    for name in run.benchmarks:
        check_count(name, counts[name])
    seen = [footer.rows for footer in store.dataset("views").footers().values()]
    parts = store.dataset("signatures").footers()
    return [Task(name, digest_of([footer.rows, seen]), name) for name, footer in parts.items()]


def _contamination_open(run: RunFile, store: Store) -> Opened:
    match = contamination.make(run.contamination, store.dataset("views").read_all())
    data = store.dataset("signatures")

    def work(task: Task, tar: HashingFile | None) -> pa.Table:
        del tar
        return match(data.read(task.payload, contamination.CORPUS_COLUMNS))

    return Opened(work, {})


# -- duplicates --------------------------------------------------------------------------------------------------


def _duplicates_tasks(run: RunFile, store: Store) -> list[Task]:
    del run
    inputs = {
        name: {p: f.rows for p, f in store.dataset(name).footers().items()} for name in ("signatures", "contamination")
    }
    return [Task("all", digest_of(inputs), list(inputs["signatures"]))]


def _duplicates_open(run: RunFile, store: Store) -> Opened:
    columns = sorted({*duplicates.COLUMNS, *decisions.FACTS})

    def candidates(part: str) -> pa.Table:
        table = store.dataset("signatures").read(part, columns)
        shown = store.dataset("contamination").read(part, ["key"])
        stays = decisions.may_stay(run.decisions, table, shown)
        return table.select(duplicates.COLUMNS).filter(pa.array(stays))

    def work(task: Task, tar: HashingFile | None) -> pa.Table:
        del tar
        schema = contract("signatures").schema
        empty = pa.schema([schema.field(name) for name in duplicates.COLUMNS]).empty_table()
        return duplicates.find(run.duplicates, pa.concat_tables([empty, *map(candidates, task.payload)]))

    return Opened(work, {})


# -- decisions ---------------------------------------------------------------------------------------------------


def _decisions_tasks(run: RunFile, store: Store) -> list[Task]:
    del run
    copies = store.dataset("duplicates").footer("all").rows
    matches = store.dataset("contamination").footers()
    parts = store.dataset("signatures").footers()
    return [Task(name, digest_of([f.rows, matches[name].rows, copies]), name) for name, f in parts.items()]


def _decisions_open(run: RunFile, store: Store) -> Opened:
    copies = store.dataset("duplicates").read("all")

    def work(task: Task, tar: HashingFile | None) -> pa.Table:
        del tar
        table = store.dataset("signatures").read(task.payload, decisions.COLUMNS)
        mine = copies.filter(pc.equal(copies["shard"], task.payload))
        return decisions.decide(run.decisions, table, store.dataset("contamination").read(task.payload), mine)

    return Opened(work, {})


# -- clean -------------------------------------------------------------------------------------------------------


class Slice(NamedTuple):
    """Kept samples number `start` to `stop` (in the shard's order) of one source shard."""

    shard: Shard
    start: int
    stop: int


def _clean_tasks(run: RunFile, store: Store) -> list[Task]:
    """Cut the kept samples, in the order of their shards, into clean shards of the stated size."""
    data = store.dataset("decisions")
    footers = data.footers()
    pieces: list[list[Slice]] = [[]]
    room = run.clean.samples_per_shard
    for shard in corpus_shards(run, store):
        kept = pc.sum(pc.equal(data.read(shard.name, ["decision"])["decision"], "keep")).as_py() or 0
        start = 0
        while start < kept:
            stop = min(kept, start + room)
            pieces[-1].append(Slice(shard, start, stop))
            room -= stop - start
            start = stop
            if not room:
                pieces.append([])
                room = run.clean.samples_per_shard
    inputs = [[(s.shard.digest, footers[s.shard.name].rows, s.start, s.stop) for s in piece] for piece in pieces]
    return [Task(f"{i:05d}", digest_of(inputs[i]), piece) for i, piece in enumerate(pieces) if piece]


def _clean_open(run: RunFile, store: Store) -> Opened:
    columns = ["shard", "key", "url", "caption", "width", "height", "sha256"]

    def kept(piece: Slice) -> Iterator[clean.Kept]:
        shard, start, stop = piece
        verdicts = store.dataset("decisions").read(shard.name, ["decision"])["decision"]
        facts = store.dataset("signatures").read(shard.name, columns).filter(pc.equal(verdicts, "keep"))
        wanted = {row["key"]: row for row in facts.slice(start, stop - start).to_pylist()}
        for sample in sources.read(shard, run.signatures.max_bytes):
            if sample.key in wanted:
                yield clean.Kept(sample, wanted.pop(sample.key))
                if not wanted:
                    return
        if wanted:
            raise SourceError(f"{shard.files[0]}: `{next(iter(wanted))}` is gone since it was signed; sign it again")

    def work(task: Task, tar: HashingFile | None) -> pa.Table:
        assert tar
        return clean.emit((sample for piece in task.payload for sample in kept(piece)), tar)

    return Opened(work, {})


def _images_tasks(run: RunFile, store: Store) -> list[Task]:
    del run
    return [Task(name, footer.rows, name) for name, footer in store.dataset("clean").footers().items()]


def _images_open(run: RunFile, store: Store) -> Opened:
    def work(task: Task, tar: HashingFile | None) -> pa.Table:
        del tar
        shard = Shard(task.payload, "tar", (store.url("clean", f"{task.payload}.tar"),), task.inputs)
        return clean.as_table(sources.read(shard, run.signatures.max_bytes))

    return Opened(work, {})


STEPS = (
    Step(
        "shards",
        shards.VERSION,
        ("urls",),
        lambda r: r.shards.recipe() if r.shards else {},
        _shards_tasks,
        _shards_open,
        wanted=lambda r: r.urls is not None,
        emits_tar=True,
    ),
    Step(
        "signatures",
        signatures.VERSION,
        ("shards",),
        lambda r: r.signatures.recipe(),
        _signatures_tasks,
        _signatures_open,
        room=lambda r: Needs(r.signatures.num_cpus, r.signatures.num_gpus),
    ),
    Step("views", views.VERSION, (), lambda r: r.signatures.recipe(), _views_tasks, _views_open),
    Step(
        "contamination",
        contamination.VERSION,
        ("signatures", "views"),
        lambda r: r.contamination.recipe(),
        _contamination_tasks,
        _contamination_open,
    ),
    Step(
        "duplicates",
        duplicates.VERSION,
        ("signatures", "contamination"),
        lambda r: {"duplicates": r.duplicates.recipe(), "decisions": r.decisions.recipe()},
        _duplicates_tasks,
        _duplicates_open,
    ),
    Step(
        "decisions",
        decisions.VERSION,
        ("signatures", "contamination", "duplicates"),
        lambda r: r.decisions.recipe(),
        _decisions_tasks,
        _decisions_open,
    ),
    Step(
        "clean",
        clean.VERSION,
        ("signatures", "decisions"),
        lambda r: r.clean.recipe(),
        _clean_tasks,
        _clean_open,
        emits_tar=True,
    ),
    Step(
        "images", clean.VERSION, ("clean",), lambda r: {}, _images_tasks, _images_open, wanted=lambda r: r.clean.parquet
    ),
)


def dataset_names(run: RunFile) -> list[str]:
    """The datasets of this run, in the order in which they are made."""
    return (["urls"] if run.urls else []) + [step.name for step in STEPS if step.wanted(run)]
