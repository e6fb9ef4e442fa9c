"""The step that audits what was emitted: `proof`."""

from __future__ import annotations

import pyarrow as pa

from curate import sources
from curate.executors import Needs
from curate.runfile import RunFile
from curate.sources import Shard
from curate.stages import contamination, proof, signatures, views
from curate.steps.base import Opened, Step, Task
from curate.steps.matches import Matches, deciding
from curate.steps.signing import signing
from curate.store import Store, digest_of


def _proof_tasks(run: RunFile, store: Store) -> list[Task]:
    del run
    seen = [footer.rows for footer in store.dataset("views").footers().values()]
    parts = store.dataset("clean").footers().items()
    return [Task(name, digest_of([footer.rows, footer.tar, seen]), name) for name, footer in parts]


def _proof_open(run: RunFile, store: Store) -> Opened:
    sign = signatures.make(run.signatures)
    match = contamination.make(run.contamination, store.dataset("views").read_all())
    matches = Matches(run, store)

    def work(task: Task) -> pa.Table:
        shard = Shard(task.payload, "tar", (store.url("clean", f"{task.payload}.tar"),), task.inputs)
        signed = sign(shard.name, sources.read(shard, run.signatures.max_bytes))
        found = matches.counted_again(shard.name, match(signed.select(contamination.CORPUS_COLUMNS)))
        return proof.proved(store.dataset("clean").read(shard.name, ["key", "sha256"]), signed, found)

    return Opened(work, sign.facts)


PROOF = Step(
    name="proof",
    version=proof.VERSION,
    needs=("views", "clean"),
    settings=lambda run: {
        "signatures": signing(run),
        "contamination": run.contamination.recipe(),
        "decisions": deciding(run),
        "versions": [signatures.VERSION, views.VERSION, contamination.VERSION],
    },
    tasks=_proof_tasks,
    open=_proof_open,
    wanted=lambda run: bool(run.prove and run.benchmarks),
    room=lambda run: Needs(run.signatures.num_cpus, run.signatures.num_gpus),
    reads_corpus=True,
)
