"""The exchange, where not all samples fit in memory: `keys`, `links`, `plan` and `bundles`.

`keys` tells the buckets that each sample falls in; `links` connects what is near in a bucket, span by span; `plan`
packs what is connected in tasks of `duplicates`; and `bundles` brings together what each of them needs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from curate.ops.parquet import Where
from curate.runfile import RunFile
from curate.stages import bundles, keys, links, plan
from curate.stages.bundles import Numbered
from curate.steps.base import Opened, Step, Task
from curate.steps.gathering import (
    Source,
    content,
    limits,
    of_run,
    packed,
    partition,
    repeating,
    samples,
    sources,
    spans,
)
from curate.steps.matches import Matches
from curate.store import Store, digest_of

KEYED, SPAN = 50_000, 160
"""Samples at most whose keys stand in one part, and as many for each span: a span's keys then fill a row group, and who
reads a span reads little else. So many samples take 1.5 GB while their keys are sorted.
"""
BUNDLED = 50_000
"""Samples of a part of `bundles`, 9 KB each, twice."""


def _keys_tasks(run: RunFile, store: Store) -> list[Task]:
    count = spans(run, store)
    if not count:
        return []
    listed, told = sources(run, store), content(run, store)
    packs = packed([source.rows for source in listed], min(KEYED, count * SPAN))
    return [
        Task(f"{i:06}", digest_of([told, pack, count]), (count, [(n, listed[n]) for n in pack]))
        for i, pack in enumerate(packs)
    ]


def _keys_open(run: RunFile, store: Store) -> Opened:
    searched, told, matches = partition(run, store), limits(run, store), Matches(run, store)

    def one(source: Source, place: keys.Place) -> pa.Table:
        return keys.find(told, *samples(run, store, matches, source, keys.columns(told)), place, searched)

    def work(task: Task) -> pa.Table:
        count, pack = task.payload
        return keys.joined([one(source, keys.Place(number, count)) for number, source in pack])

    return Opened(work)


KEYS = Step(
    name="keys",
    version=keys.VERSION,
    needs=("signatures", "contamination", "cells"),
    settings=repeating,
    tasks=_keys_tasks,
    open=_keys_open,
)


def _links_tasks(run: RunFile, store: Store) -> list[Task]:
    told = [[footer.rows for footer in store.dataset("keys").footers().values()], limits(run, store).semantic]
    return [Task(f"{span:05}", digest_of([told, span]), span) for span in range(spans(run, store))]


def _links_open(run: RunFile, store: Store) -> Opened:
    data, near = store.dataset("keys"), limits(run, store)

    def work(task: Task) -> pa.Table:
        mine = Where("span", task.payload, task.payload)
        return links.find(near, pa.concat_tables([data.read(part, where=mine) for part in data.parts()]))

    return Opened(work)


LINKS = Step(
    name="links", version=links.VERSION, needs=("keys",), settings=repeating, tasks=_links_tasks, open=_links_open
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


def _bundles_tasks(run: RunFile, store: Store) -> list[Task]:
    planned = store.dataset("plan")
    told = [content(run, store), [footer.rows for footer in planned.footers().values()]]
    numbers, counts = np.unique(planned.read_all(["source"])["source"].to_numpy(), return_counts=True)
    packs = [numbers[pack].tolist() for pack in packed(counts.tolist(), BUNDLED)]
    return [Task(f"{i:06}", digest_of([told, pack]), pack) for i, pack in enumerate(packs)]


def _bundles_open(run: RunFile, store: Store) -> Opened:
    listed, data = sources(run, store), store.dataset("plan")

    def read(numbers: list[int]) -> Iterator[Numbered]:
        for number in numbers:
            run_, part, _ = listed[number]
            yield Numbered(number, of_run(run_, store).dataset("signatures").read(part, run.duplicates.columns))

    def work(task: Task) -> pa.Table:
        numbers = task.payload
        return bundles.find(data.read("all", where=Where("source", numbers[0], numbers[-1])), read(numbers))

    return Opened(work)


BUNDLES = Step(
    name="bundles",
    version=bundles.VERSION,
    needs=("signatures", "contamination", "cells", "plan"),
    settings=lambda run: {"columns": run.duplicates.columns},
    tasks=_bundles_tasks,
    open=_bundles_open,
)
