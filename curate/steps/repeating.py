"""The steps that find what repeats what: `cells`, `duplicates`; for the exchange between them see `exchanging`.

Where all samples fit in memory one task of `duplicates` decides them. Where they do not, each task decides what the
exchange brought together, by the very code that decides all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.ops.parquet import Where
from curate.runfile import RunFile
from curate.stages import cells, duplicates, share
from curate.steps import earlier
from curate.steps.base import Opened, Step, Task
from curate.steps.gathering import Source, content, gathered, limits, repeating, samples, sources, spans, wants_cells
from curate.steps.matches import Matches
from curate.store import Dataset, Store, digest_of


def _cells_tasks(run: RunFile, store: Store) -> list[Task]:
    signed = {part: footer.rows for part, footer in store.dataset("signatures").footers().items()}
    return [Task("all", digest_of([signed, earlier.content(run)]), list(signed))]


def _cells_open(run: RunFile, store: Store) -> Opened:
    data = store.dataset("signatures")

    def work(task: Task) -> pa.Table:
        rows = sum(footer.statuses.get("ok", 0) for footer in data.footers().values())
        found = earlier.cells(run)
        if found is not None:
            return found
        semantic = share.find(run.duplicates, lambda: _read(data, task.payload, share.COLUMNS))
        limits_ = run.duplicates.from_cosine(semantic)
        return cells.find(limits_, _read(data, task.payload, cells.COLUMNS), rows, semantic)

    return Opened(work)


def _read(data: Dataset, parts: list[str], columns: list[str]) -> Iterator[pa.Table]:
    return (data.read(part, columns) for part in parts)


def _cells_settings(run: RunFile) -> dict[str, object]:
    told: dict[str, object] = {"probes": run.duplicates.probes, "least_cosine": run.duplicates.least_cosine}
    if run.duplicates.semantic_share is None:
        return told
    return {**told, "semantic_share": run.duplicates.semantic_share, "prefer": list(run.duplicates.prefer)}


CELLS = Step(
    name="cells",
    version=cells.VERSION,
    needs=("signatures",),
    settings=_cells_settings,
    tasks=_cells_tasks,
    open=_cells_open,
    wanted=wants_cells,
)


def _duplicates_tasks(run: RunFile, store: Store) -> list[Task]:
    earlier.signed_alike(run, store)
    told = content(run, store)
    if not spans(run, store):
        return [Task("all", told, None)]
    planned = store.dataset("plan").read_all(["task"])["task"].to_numpy()
    inputs = [told, [footer.rows for footer in store.dataset("bundles").footers().values()]]
    return [Task(f"{task:05}", digest_of([inputs, task]), task) for task in np.unique(planned).tolist()]


def _duplicates_open(run: RunFile, store: Store) -> Opened:
    listed, told, matches = sources(run, store), limits(run, store), Matches(run, store)
    centre = cells.centre_of(store.dataset("cells").read_all()) if wants_cells(run) else None

    def bundled(task: int) -> Iterator[tuple[Source, pa.Table]]:
        """The samples of a task, part by part."""
        data = store.dataset("bundles")
        for part in data.parts():
            mine = data.read(part, ["source", *run.duplicates.columns], Where("task", task, task))
            for number in pc.unique(mine["source"]).to_pylist():
                told = mine.filter(pc.equal(mine["source"], number))
                yield listed[number], told.select(run.duplicates.columns)

    def work(task: Task) -> pa.Table:
        whole, columns = task.payload is None, run.duplicates.columns
        all_ = ((source, samples(run, store, matches, source, columns)[0]) for source in listed)
        parts = list(all_ if whole else bundled(task.payload))
        kept, candidates = gathered(run, parts)
        return duplicates.find(told, candidates, kept, centre)

    return Opened(work)


DUPLICATES = Step(
    name="duplicates",
    version=duplicates.VERSION,
    needs=("signatures", "contamination", "cells", "plan", "bundles"),
    settings=repeating,
    tasks=_duplicates_tasks,
    open=_duplicates_open,
)
