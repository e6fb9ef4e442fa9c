"""The step that measures what the audit finds: `recall`."""

from __future__ import annotations

import pyarrow as pa

from curate import sources
from curate.executors import Needs
from curate.runfile import RunFile
from curate.stages import contamination, recall, signatures, views
from curate.steps.base import Opened, Step, Task
from curate.store import Store, digest_of


def _recall_tasks(run: RunFile, store: Store) -> list[Task]:
    """One for each shard of a benchmark that has an image to be edited; made from the views of that benchmark alone."""
    seen = store.dataset("views")
    wanted = recall.choose(seen.read_all(["benchmark", "shard", "key", "status", "sha256"]), run.recall)
    views_of: dict[str, list[str]] = {}
    for part, footer in seen.footers().items():
        views_of.setdefault(part.partition(".")[0], []).append(footer.rows)
    shards = {(name, shard.name): shard for name, where in run.benchmarks.items() for shard in sources.find(where)}
    return [
        Task(f"{name}.{shard}", digest_of(views_of[name]), (name, shards[name, shard], edits))
        for (name, shard), edits in sorted(wanted.items())
    ]


def _recall_open(run: RunFile, store: Store) -> Opened:
    seen = store.dataset("views").read_all()
    measure = recall.make(run.signatures, run.contamination, run.recall, seen)

    def work(task: Task) -> pa.Table:
        name, shard, edits = task.payload
        return measure(name, shard.name, sources.read(shard), edits)

    return Opened(work, measure.facts)


RECALL = Step(
    name="recall",
    version=recall.VERSION,
    needs=("views",),
    settings=lambda run: {
        "recall": run.recall.recipe(),
        "signatures": run.signatures.recipe(),
        "contamination": run.contamination.recipe(),
        "versions": [signatures.VERSION, views.VERSION, contamination.VERSION],
    },
    tasks=_recall_tasks,
    open=_recall_open,
    wanted=lambda run: bool(run.benchmarks and run.recall.copies),
    audits=True,
    room=lambda run: Needs(run.signatures.num_cpus, run.signatures.num_gpus),
)
"""Its settings hold the versions of the stages it goes through: other code may find other copies."""
