"""The steps that find what repeats what: `cells`, `duplicates`, and between them the exchange.

Where all samples fit in memory one task of `duplicates` decides them. Where they do not, `keys` tells the buckets that
each sample falls in, part by part; `links` connects what is near in a bucket, span by span; `plan` packs what is
connected in tasks; and each task of `duplicates` decides its own by the very code that decides all.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.runfile import RunFile
from curate.stages import cells, duplicates, keys, links, plan, share
from curate.steps import earlier
from curate.steps.base import Opened, Step, Task
from curate.steps.gathering import Source, content, gathered, limits, partition, samples, sources, spans, wants_cells
from curate.steps.matches import Matches, deciding
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


def _settings(run: RunFile) -> dict[str, object]:
    return {"duplicates": run.duplicates.recipe(), "decisions": deciding(run)}


def _keys_tasks(run: RunFile, store: Store) -> list[Task]:
    count = spans(run, store)
    listed = sources(run, store) if count else []
    told = content(run, store) if count else ""
    return [
        Task(f"{i:06}", digest_of([told, i, count]), (source, keys.Place(i, count))) for i, source in enumerate(listed)
    ]


def _keys_open(run: RunFile, store: Store) -> Opened:
    searched, told, matches = partition(run, store), limits(run, store), Matches(run, store)

    def work(task: Task) -> pa.Table:
        source, place = task.payload
        return keys.find(told, *samples(run, store, matches, source), place, searched)

    return Opened(work)


KEYS = Step(
    name="keys",
    version=keys.VERSION,
    needs=("signatures", "contamination", "cells"),
    settings=_settings,
    tasks=_keys_tasks,
    open=_keys_open,
)


def _links_tasks(run: RunFile, store: Store) -> list[Task]:
    told = [[footer.rows for footer in store.dataset("keys").footers().values()], limits(run, store).semantic]
    return [Task(f"{span:05}", digest_of([told, span]), span) for span in range(spans(run, store))]


def _links_open(run: RunFile, store: Store) -> Opened:
    data, near = store.dataset("keys"), limits(run, store)

    def work(task: Task) -> pa.Table:
        told = [data.read(part, where=("span", task.payload)) for part in data.parts()]
        return links.find(near, pa.concat_tables(told))

    return Opened(work)


LINKS = Step(
    name="links", version=links.VERSION, needs=("keys",), settings=_settings, tasks=_links_tasks, open=_links_open
)


def _plan_tasks(run: RunFile, store: Store) -> list[Task]:
    told = [footer.rows for footer in store.dataset("links").footers().values()]
    return [Task("all", digest_of(told), None)] if spans(run, store) else []


def _plan_open(run: RunFile, store: Store) -> Opened:
    data = store.dataset("links")

    def work(task: Task) -> pa.Table:
        del task
        return plan.find(run.duplicates.in_memory, (data.read(part) for part in data.parts()))

    return Opened(work)


PLAN = Step(
    name="plan",
    version=plan.VERSION,
    needs=("links",),
    settings=lambda run: {"in_memory": run.duplicates.in_memory},
    tasks=_plan_tasks,
    open=_plan_open,
)


def _duplicates_tasks(run: RunFile, store: Store) -> list[Task]:
    earlier.signed_alike(run, store)
    told = content(run, store)
    if not spans(run, store):
        return [Task("all", told, None)]
    planned = store.dataset("plan").read_all(["task"])["task"].to_numpy()
    inputs = [told, [footer.rows for footer in store.dataset("plan").footers().values()]]
    return [Task(f"{task:05}", digest_of([inputs, task]), task) for task in np.unique(planned).tolist()]


def _duplicates_open(run: RunFile, store: Store) -> Opened:
    listed, told, matches = sources(run, store), limits(run, store), Matches(run, store)
    centre = cells.centre_of(store.dataset("cells").read_all()) if wants_cells(run) else None

    def planned(task: int) -> list[tuple[Source, pa.Table]]:
        """The samples of a task, part by part."""
        mine = store.dataset("plan").read("all", where=("task", task))
        part, rows = mine["source"].to_numpy(), mine["row"].to_numpy()
        return [(listed[i], _rows(run, store, listed[i], rows[part == i])) for i in np.unique(part).tolist()]

    def work(task: Task) -> pa.Table:
        whole = task.payload is None
        parts = [(s, samples(run, store, matches, s)[0]) for s in listed] if whole else planned(task.payload)
        kept, candidates = gathered(run, parts)
        return duplicates.find(told, candidates, kept, centre)

    return Opened(work)


def _rows(run: RunFile, store: Store, source: Source, rows: NDArray[np.int64]) -> pa.Table:
    """Some rows of a part."""
    data = (store if source.run is None else Store(source.run)).dataset("signatures")
    return data.read(source.part, run.duplicates.columns).take(pa.array(rows))


DUPLICATES = Step(
    name="duplicates",
    version=duplicates.VERSION,
    needs=("signatures", "contamination", "cells", "plan"),
    settings=_settings,
    tasks=_duplicates_tasks,
    open=_duplicates_open,
)
