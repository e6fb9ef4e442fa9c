"""The steps that see pixels: `shards`, `signatures`, and the benchmarks' `views`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from curate import sources
from curate.errors import CurateError, StaleError
from curate.executors import Needs
from curate.ops import embedding
from curate.ops.tars import Sink
from curate.runfile import RunFile
from curate.sources import Shard
from curate.stages import shards, signatures, views
from curate.steps.base import Opened, Step, Task
from curate.store import Store, digest_of


def _shards_tasks(run: RunFile, store: Store) -> list[Task]:
    del run
    return [Task(name, footer.rows, name) for name, footer in store.dataset("urls").footers().items()]


def _shards_open(run: RunFile, store: Store) -> Opened:
    assert run.shards
    fetch = shards.make(run.shards)
    urls = store.dataset("urls")

    def work(task: Task, tar: Sink) -> pa.Table:
        return fetch(urls.read(task.payload), tar)

    return Opened(work)


SHARDS = Step(
    name="shards",
    version=shards.VERSION,
    needs=("urls",),
    settings=lambda run: run.shards.recipe() if run.shards else {},
    tasks=_shards_tasks,
    open=_shards_open,
    wanted=lambda run: run.urls is not None,
    emits_tar=True,
    audits=True,
    reads_corpus=True,
)


def corpus_shards(run: RunFile, store: Store) -> list[Shard]:
    """The corpus' shards, wherever they lie: downloaded by this run, or found."""
    if run.corpus:
        return sources.find(run.corpus)
    data = store.dataset("shards")
    return [
        Shard(name, "tar", (store.url("shards", f"{name}.tar"), store.url("shards", f"{name}.parquet")), footer.rows)
        for name, footer in data.footers().items()
    ]


def signing(run: RunFile) -> dict[str, Any]:
    """What decides the rows: the settings, and the weights of the model that they name, if these are a file here."""
    spec = run.signatures.embedding
    weights = "" if spec == "none" else embedding.content(spec)
    return {**run.signatures.recipe(), "weights": weights}


def _signatures_tasks(run: RunFile, store: Store) -> list[Task]:
    return [Task(shard.name, shard.digest, shard) for shard in corpus_shards(run, store)]


def _signatures_open(run: RunFile, store: Store) -> Opened:
    del store
    sign = signatures.make(run.signatures)

    def work(task: Task) -> pa.Table:
        return sign(task.payload.name, sources.read(task.payload, run.signatures.max_bytes))

    return Opened(work, sign.facts)


SIGNATURES = Step(
    name="signatures",
    version=signatures.VERSION,
    needs=("shards",),
    settings=signing,
    tasks=_signatures_tasks,
    open=_signatures_open,
    room=lambda run: Needs(run.signatures.num_cpus, run.signatures.num_gpus),
    audits=True,
    reads_corpus=True,
)


def check_signed(run: RunFile, store: Store) -> None:
    """Take the signatures as they are stored; CurateError where this run would sign otherwise, or has not finished."""
    data = store.dataset("signatures")
    if store.read_json("signatures", "manifest.json") is None:
        raise CurateError(f"{store.path('signatures')}: not finished; finish the run first")
    for part, footer in data.footers().items():
        signed = footer.made_from
        if (signed.version, signed.settings) != (signatures.VERSION, signing(run)):
            said = f"version {signed.version} with {signed.settings}"
            mine = f"version {signatures.VERSION} with {signing(run)}"
            raise StaleError(
                f"{data.path(part)} was signed by {said}; benchmarks are now signed by {mine}, and only what is signed "
                "alike can be compared. Sign the corpus again, in another directory."
            )


def _views_tasks(run: RunFile, store: Store) -> list[Task]:
    del store
    found = [(name, shard) for name, where in sorted(run.benchmarks.items()) for shard in sources.find(where)]
    return [Task(f"{name}.{shard.name}", digest_of([name, shard.digest]), (name, shard)) for name, shard in found]


def _views_open(run: RunFile, store: Store) -> Opened:
    del store
    look = views.make(run.signatures)

    def work(task: Task) -> pa.Table:
        name, shard = task.payload
        return look(name, shard.name, sources.read(shard))

    return Opened(work)


VIEWS = Step(
    name="views",
    version=views.VERSION,
    needs=(),
    settings=signing,
    tasks=_views_tasks,
    open=_views_open,
    audits=True,
)
