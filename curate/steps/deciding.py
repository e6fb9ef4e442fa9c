"""The steps that work on signatures alone: `contamination`, `decisions`; for `duplicates` see `repeating`."""

from __future__ import annotations

import pyarrow as pa

from curate.benchmarks import VIEWS, check_views
from curate.contracts import contract
from curate.review import verdicts
from curate.runfile import RunFile
from curate.stages import contamination, decisions
from curate.steps.base import Opened, Step, Task
from curate.steps.matches import Matches, deciding
from curate.steps.ordered import Ordered
from curate.store import Store, digest_of


def _contamination_tasks(run: RunFile, store: Store) -> list[Task]:
    views = store.dataset("views")
    check_views(run.benchmarks, (views.read(part, VIEWS) for part in views.parts()))
    seen = [footer.rows for footer in views.footers().values()]
    parts = store.dataset("signatures").footers()
    return [Task(name, digest_of([footer.rows, seen]), name) for name, footer in parts.items()]


def _contamination_open(run: RunFile, store: Store) -> Opened:
    match = contamination.make(run.contamination, store.dataset("views").read_all())
    data = store.dataset("signatures")

    def work(task: Task) -> pa.Table:
        return match(data.read(task.payload, contamination.CORPUS_COLUMNS))

    return Opened(work)


CONTAMINATION = Step(
    name="contamination",
    version=contamination.VERSION,
    needs=("signatures", "views"),
    settings=lambda run: run.contamination.recipe(),
    tasks=_contamination_tasks,
    open=_contamination_open,
    audits=True,
)


def _decisions_tasks(run: RunFile, store: Store) -> list[Task]:
    copies = [] if run.audit else [footer.rows for footer in store.dataset("duplicates").footers().values()]
    matches = store.dataset("contamination").footers()
    parts = store.dataset("signatures").footers()
    said = verdicts.overruled(store)
    made_of = {name: [f.rows, matches[name].rows, copies, *said.get(name, [])] for name, f in parts.items()}
    return [Task(name, digest_of(inputs), name) for name, inputs in made_of.items()]


def _decisions_open(run: RunFile, store: Store) -> Opened:
    copies = None if run.audit else Ordered(store.dataset("duplicates"), "shard")
    matches, none = Matches(run, store), contract("duplicates").empty()

    def work(task: Task) -> pa.Table:
        table = store.dataset("signatures").read(task.payload, decisions.COLUMNS)
        mine = copies.rows(task.payload) if copies else none
        return decisions.decide(run.decisions, table, matches.counted(task.payload), mine.filter(mine["dropped"]))

    return Opened(work)


DECISIONS = Step(
    name="decisions",
    version=decisions.VERSION,
    needs=("signatures", "contamination", "duplicates"),
    settings=deciding,
    tasks=_decisions_tasks,
    open=_decisions_open,
    audits=True,
)
