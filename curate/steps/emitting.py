"""The steps that copy the kept samples: `clean`, and `images` where Parquet is wanted too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from curate import sources
from curate.errors import SourceError
from curate.ops.tars import Sink
from curate.runfile import RunFile
from curate.sources import Shard
from curate.stages import clean
from curate.steps.base import Opened, Step, Task
from curate.steps.signing import corpus_shards
from curate.store import Store, digest_of


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
    merged = [f.rows for f in store.dataset("duplicates").footers().values()] if _merges(run) else []
    inputs = [[(s.shard.digest, footers[s.shard.name].rows, s.start, s.stop) for s in piece] for piece in pieces]
    return [Task(f"{i:05d}", digest_of([inputs[i], *merged]), piece) for i, piece in enumerate(pieces) if piece]


def _merges(run: RunFile) -> bool:
    return run.duplicates.captions == "merge"


def _merged(store: Store) -> dict[tuple[str, str], list[str]]:
    """Of each keeper of this run, by shard and key, the captions of what was dropped for it."""
    captions: dict[tuple[str, str], list[str]] = {}
    copies = store.dataset("duplicates").read_all(["dropped", "keeper_run", "keeper_shard", "keeper_key", "caption"])
    for row in copies.filter(copies["dropped"]).to_pylist():
        if row["keeper_run"] is None and row["caption"] is not None:
            captions.setdefault((row["keeper_shard"], row["keeper_key"]), []).append(row["caption"])
    return captions


def _clean_open(run: RunFile, store: Store) -> Opened:
    columns = ["shard", "key", "url", "caption", "width", "height", "sha256"]
    captions = _merged(store) if _merges(run) else {}

    def kept(piece: Slice) -> Iterator[clean.Kept]:
        shard, start, stop = piece
        verdicts = store.dataset("decisions").read(shard.name, ["decision"])["decision"]
        facts = store.dataset("signatures").read(shard.name, columns).filter(pc.equal(verdicts, "keep"))
        wanted = {row["key"]: row for row in facts.slice(start, stop - start).to_pylist()}
        for sample in sources.read(shard, run.signatures.max_bytes):
            if sample.key in wanted:
                others = tuple(captions.get((shard.name, sample.key), ()))
                yield clean.Kept(sample, wanted.pop(sample.key), others)
                if not wanted:
                    return
        if wanted:
            raise SourceError(f"{shard.files[0]}: `{next(iter(wanted))}` is gone since it was signed; sign it again")

    def work(task: Task, tar: Sink) -> pa.Table:
        return clean.emit((sample for piece in task.payload for sample in kept(piece)), tar)

    return Opened(work)


CLEAN = Step(
    name="clean",
    version=clean.VERSION,
    needs=("signatures", "duplicates", "decisions"),
    settings=lambda run: {**run.clean.recipe(), "captions": run.duplicates.captions},
    tasks=_clean_tasks,
    open=_clean_open,
    emits_tar=True,
    reads_corpus=True,
)


def _images_tasks(run: RunFile, store: Store) -> list[Task]:
    del run
    return [Task(name, footer.rows, name) for name, footer in store.dataset("clean").footers().items()]


def _images_open(run: RunFile, store: Store) -> Opened:
    def work(task: Task) -> pa.Table:
        shard = Shard(task.payload, "tar", (store.url("clean", f"{task.payload}.tar"),), task.inputs)
        return clean.as_table(sources.read(shard, run.signatures.max_bytes))

    return Opened(work)


IMAGES = Step(
    name="images",
    version=clean.VERSION,
    needs=("clean",),
    settings=lambda run: {},
    tasks=_images_tasks,
    open=_images_open,
    wanted=lambda run: run.clean.parquet,
    reads_corpus=True,
)
