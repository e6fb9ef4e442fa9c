"""The steps that find what repeats what: `cells`, `duplicates`."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from curate.contracts import contract
from curate.review import verdicts
from curate.runfile import RunFile
from curate.stages import cells, decisions, duplicates
from curate.steps import earlier
from curate.steps.base import Opened, Step, Task
from curate.steps.matches import counted, deciding
from curate.store import Store, digest_of


def _wants_cells(run: RunFile) -> bool:
    return run.duplicates.searches and run.signatures.embedding != "none"


def _cells_tasks(run: RunFile, store: Store) -> list[Task]:
    signed = {part: footer.rows for part, footer in store.dataset("signatures").footers().items()}
    return [Task("all", digest_of([signed, earlier.content(run)]), list(signed))]


def _cells_open(run: RunFile, store: Store) -> Opened:
    data = store.dataset("signatures")

    def work(task: Task) -> pa.Table:
        rows = sum(footer.statuses.get("ok", 0) for footer in data.footers().values())
        parts = (data.read(part, cells.COLUMNS) for part in task.payload)
        found = earlier.cells(run)
        return cells.find(run.duplicates, parts, rows) if found is None else found

    return Opened(work)


CELLS = Step(
    name="cells",
    version=cells.VERSION,
    needs=("signatures",),
    settings=lambda run: {"probes": run.duplicates.probes, "least_cosine": run.duplicates.least_cosine},
    tasks=_cells_tasks,
    open=_cells_open,
    wanted=_wants_cells,
)


def _duplicates_tasks(run: RunFile, store: Store) -> list[Task]:
    names = ["signatures", "contamination", *(["cells"] if _wants_cells(run) else [])]
    inputs: dict[str, Any] = {name: {p: f.rows for p, f in store.dataset(name).footers().items()} for name in names}
    earlier.signed_alike(run, store)
    said = verdicts.overruled(store)
    inputs |= {"overruled": said} if said else {}
    payload = {part: said.get(part, []) for part in inputs["signatures"]}
    return [Task("all", digest_of([inputs, earlier.content(run)]), payload)]


def _duplicates_open(run: RunFile, store: Store) -> Opened:
    needed = run.duplicates.columns
    columns = sorted({*needed, *decisions.FACTS, "status"})

    def candidates(part: str, overruled: list[list[str]]) -> pa.Table:
        table = store.dataset("signatures").read(part, columns)
        matches = store.dataset("contamination").read(part, verdicts.PAIR)
        shown = counted(run, verdicts.upheld(matches, overruled))
        stays = decisions.may_stay(run.decisions, table, shown)
        return table.select(needed).filter(pa.array(stays))

    def work(task: Task) -> pa.Table:
        schema = contract("signatures").schema
        empty = pa.schema([schema.field(name) for name in needed]).empty_table()
        told = pa.concat_tables([empty, *(candidates(*given) for given in task.payload.items())])
        centre = cells.centre_of(store.dataset("cells").read_all()) if _wants_cells(run) else None
        return duplicates.find(run.duplicates, told, earlier.kept(run, needed), centre)

    return Opened(work)


DUPLICATES = Step(
    name="duplicates",
    version=duplicates.VERSION,
    needs=("signatures", "contamination", "cells"),
    settings=lambda run: {"duplicates": run.duplicates.recipe(), "decisions": deciding(run)},
    tasks=_duplicates_tasks,
    open=_duplicates_open,
)
