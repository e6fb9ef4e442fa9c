"""The bill itself: what each stage of a run will take, and in sentences what will not fit or was not measured."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from curate.bill.case import Case, Need
from curate.bill.laws import EXCHANGE, LAWS
from curate.bill.rates import StageRate
from curate.pretrain.settings import PretrainSettings
from curate.runfile import RunFile
from curate.steps import dataset_names
from curate.store import Store


@dataclass(frozen=True)
class Machine:
    """What there is to run on: cores, memory in B, and free disk where the run is written, B, None where not local."""

    cores: int
    memory: float
    disk: float | None


@dataclass(frozen=True)
class Line:
    """What one stage takes: units and rows, bytes read and written, seconds, bytes of memory of a worker.

    `gpu_s` is 0 where no GPU is asked for, None where one is and no rate was measured on one.
    """

    stage: str
    unit: str
    units: float
    rows: float
    tasks: int
    reads: float
    writes: float
    cpu_s: float
    gpu_s: float | None
    wall_s: float
    memory: float
    limit: str


@dataclass(frozen=True)
class Bill:
    """All stages of a run, how the counts were told, and what is to be said of it."""

    out: str
    samples: str
    images: str
    rates: str
    machine: Machine
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


def here(out: str, cores: int | None, memory: float | None) -> Machine:
    """The machine this runs on, with other cores or memory (B) where they are given."""
    store = Store(out) if "://" not in out else None
    free = shutil.disk_usage(_there(Path(store.root))).free if store else None
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(cores or len(os.sched_getaffinity(0)), memory or whole, free)


def _there(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())


def reckon(case: Case, machine: Machine, pretrain: bool) -> Iterator[Line]:
    """A line a stage that has work, in their order; `pretrain` comes last, where it is wanted."""
    for name in dataset_names(case.run):
        if name not in EXCHANGE or case.exchanged:
            yield _line(case, name, LAWS[name](case), machine)
    if pretrain:
        yield _line(case, "pretrain", _pretrain(case.run.pretrain, case.load.sample_bytes), machine)


def _line(case: Case, name: str, need: Need, machine: Machine) -> Line:
    rate = case.rate(name)
    wished, memory = max(1, min(machine.cores, need.tasks)), rate.memory + need.memory
    workers = max(1, min(wished, _fit(memory, machine)))
    cpu = need.units * rate.cpu_s * need.scale + need.cpu + rate.opening_s * workers
    waits = need.units * rate.wait_s
    limit = need.bound if need.cpu > cpu / 2 or need.scale != 1 else "CPU"
    limit = "the web" if waits > cpu else "memory" if workers < wished else limit
    return Line(
        stage=name,
        unit=need.unit,
        units=need.units,
        rows=need.units * rate.rows,
        tasks=need.tasks,
        reads=need.reads,
        writes=need.units * rate.bytes + need.tasks * rate.part_bytes + need.payload,
        cpu_s=cpu,
        gpu_s=None if name in asks_gpu(case.run) else 0.0,
        wall_s=max(cpu, waits) / workers,
        memory=memory,
        limit="one task" if need.tasks == 1 and machine.cores > 1 and cpu > _LONG_S else limit,
    )


def _fit(memory: float, machine: Machine) -> int:
    """How many workers that hold so much fit side by side."""
    return int(machine.memory / memory) if memory else machine.cores


_LONG_S = 600
"""A single task that takes longer than this is worth a word."""


def _pretrain(settings: PretrainSettings, sample_bytes: float) -> Need:
    """Its CPU goes with the operations of the model; the rate is that of a billion, one thread."""
    from curate.pretrain.speed import operations  # here, since it loads torch

    images = settings.steps * settings.batch
    return Need("images", images, settings.workers, images * sample_bytes, scale=operations(settings) / 1e9)


def asks_gpu(run: RunFile) -> set[str]:
    """The stages that are asked to use a GPU."""
    signing = run.signatures
    asked = {"signatures", "views"} if signing.num_gpus or signing.device.startswith("cuda") else set()
    asked |= {"contamination"} if run.contamination.engine == "faiss-gpu" else set()
    return asked | ({"pretrain"} if run.pretrain.device.startswith("cuda") else set())


def notes(case: Case, lines: tuple[Line, ...], machine: Machine) -> Iterator[str]:
    """Plain sentences: what will not fit, what was not measured, what was taken for granted."""
    for line in lines:
        yield from _memory(line, machine)
    writes = sum(line.writes for line in lines)
    if machine.disk is not None and writes > machine.disk:
        yield f"Disk will not do: {size(writes)} are written to {case.run.out}, where {size(machine.disk)} are free."
    embedding = case.run.signatures.embedding
    if embedding not in case.rates.stages:
        yield f"No rate was measured for the embedding {embedding}; those of the detector stand in its place."
    for stage in sorted(asks_gpu(case.run) & {line.stage for line in lines}):
        yield f"{stage} asks for a GPU, and no rate was measured on one; the CPU hours are those without."
    far = [line for line in lines if line.units > 1000 * max(1, case.rate(line.stage).measured_on)]
    if far:
        told = ", ".join(f"{line.stage} ({_measured(case.rate(line.stage))})" for line in far)
        yield f"More than a thousand times what was measured, so a reckoning: {told}."
    yield f"Shares (readable, kept, repeated) and bytes a sample: {case.rates.yields.source}."


def _measured(rate: StageRate) -> str:
    return f"{rate.measured_on:,}" if rate.measured_on else "never"


def _memory(line: Line, machine: Machine) -> Iterator[str]:
    fit = _fit(line.memory, machine)
    if fit < 1:
        yield f"Memory will not do: a worker of {line.stage} takes {size(line.memory)}, of {size(machine.memory)}."
    elif fit < min(machine.cores, line.tasks):
        held = f"{size(line.memory)} each in {size(machine.memory)}"
        yield f"{line.stage}: {fit} workers fit side by side, {held}; on more cores memory runs out."


def size(value: float) -> str:
    """Bytes in decimal units, three digits: `4.72 GB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} PB"
