"""`curate plan`: the bill of a run in the terminal or as JSON, beside what a finished run used; and new rates."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from curate import runfile
from curate.bill import count
from curate.bill.case import Case, Load
from curate.bill.measure import Used, measured, used
from curate.bill.rates import Rates, as_toml, load
from curate.bill.reckon import Bill, Line, Machine, here, notes, reckon, size
from curate.errors import CurateError
from curate.runfile import RunFile
from curate.store import Store


class Asked(NamedTuple):
    """What the bill is asked for: a run file or a run, counts, a rates file, cores, and memory of them all in GB."""

    run: str
    samples: int | None = None
    benchmark_images: int | None = None
    rates: str | None = None
    cores: int | None = None
    memory: float | None = None


def plan(console: Console, asked: Asked, as_json: bool) -> None:
    """Print the bill; of a finished run also what it used."""
    settings, store = _opened(asked)
    bill = made(settings, asked)
    took = {} if store is None else {line.stage: used(store, line.stage) for line in bill.lines}
    if as_json:
        said = {**asdict(bill), "used": {stage: asdict(one) for stage, one in took.items() if one}}
        console.print_json(json.dumps(said))
        return
    console.print(_table(bill, took))
    for sentence in _said(bill):
        console.print(sentence, markup=False, soft_wrap=True)


def measure(console: Console, run: str, given: str | None, out: str) -> None:
    """Write the rates of a finished run to a file; CurateError where a file is there already."""
    if Path(out).exists():
        raise CurateError(f"{out}: is there already; name another")
    settings, store = _opened(Asked(run))
    if store is None:
        raise CurateError(f"{run}: no run here that was started; rates are told by a finished one")
    date = time.strftime("%Y-%m-%d", time.gmtime())
    Path(out).write_text(as_toml(measured(settings, store, load(given), date)), "utf-8")
    console.print(f"rates: {out}; use them with --rates {out}", markup=False, soft_wrap=True)


def _opened(asked: Asked) -> tuple[RunFile, Store | None]:
    """The settings of a run file or of a run, and the run's store where it was started.

    With the number of samples given, a run file alone is read: nothing that it names is opened if it is not local.
    """
    if not asked.run.endswith(".toml"):
        store = Store(asked.run)
        told = store.read_json("run.json")
        if told is None:
            raise CurateError(f"{asked.run}: no run here (no run.json); give a run file to plan one")
        return runfile.from_json(told, store.path("run.json")), store
    settings = runfile.read(asked.run)
    if asked.samples is not None and "://" in settings.out:
        return settings, None
    store = Store(settings.out)
    return settings, store if store.read_json("run.json") else None


def made(settings: RunFile, asked: Asked) -> Bill:
    """The bill of a run with these settings."""
    rates = load(asked.rates)
    samples, images = count.samples(settings, asked.samples), count.images(settings, asked.benchmark_images)
    case = Case(settings, _load(settings, rates, samples, images), rates)
    machine = here(settings.out, asked.cores, asked.memory and asked.memory * 1e9)
    lines = tuple(reckon(case, machine, _pretrains(asked.run, settings)))
    told = f"{rates.date}, {rates.machine}; {rates.how}"
    counted = (f"{samples.number:,} samples ({samples.how})", f"{images.number:,} benchmark images ({images.how})")
    return Bill(settings.out, *counted, told, machine, lines, tuple(notes(case, lines, machine)))


def _load(settings: RunFile, rates: Rates, samples: count.Count, images: count.Count) -> Load:
    """The load; bytes a sample are those that were read, where some were."""
    read = samples.sample_bytes or rates.yields.sample_bytes
    rates = rates.model_copy(update={"yields": rates.yields.model_copy(update={"sample_bytes": read})})
    counts = (samples.number, samples.shards), (images.number, images.shards)
    return Load.of(settings, rates, *counts, images.sample_bytes or read)


def _pretrains(run: str, settings: RunFile) -> bool:
    """Whether the run file speaks of pretraining; a run that was started holds all settings, which says nothing."""
    return run.endswith(".toml") and "pretrain" in settings.model_fields_set


_COLUMNS = ("stage", "units", "tasks", "reads", "writes", "CPU h", "GPU h", "memory a worker", "wall", "limited by")


def _table(bill: Bill, took: dict[str, Used | None]) -> Table:
    told = [line.stage for line in bill.lines if took.get(line.stage)]
    table = Table(title=f"Bill of {bill.out}, {bill.machine.cores} cores", title_justify="left", box=box.SIMPLE_HEAD)
    for name in (*_COLUMNS, *(("used: rows", "bytes", "CPU h", "memory") if told else ())):
        table.add_column(name, justify="left" if name in ("stage", "limited by") else "right")
    for line in bill.lines:
        table.add_row(*_row(line), *(_of(took.get(line.stage)) if told else ()))
    table.add_section()
    table.add_row(*_total(bill), *(_total_used(took) if told else ()))
    return table


def _row(line: Line) -> tuple[str, ...]:
    gpu = "not measured" if line.gpu_s is None else hours(line.gpu_s)
    units = f"{line.units:,.0f} {line.unit}"
    sizes = size(line.reads), size(line.writes), hours(line.cpu_s), gpu, size(line.memory)
    return line.stage, units, f"{line.tasks:,}", *sizes, clock(line.wall_s), line.limit


def _of(took: Used | None) -> tuple[str, ...]:
    if took is None:
        return "", "", "", ""
    cpu = "" if took.whole_s is None else hours(took.whole_s)
    return f"{took.rows:,}", size(took.bytes), cpu, "" if took.memory is None else size(took.memory)


def _total(bill: Bill) -> tuple[str, ...]:
    lines = bill.lines
    reads, writes = sum(line.reads for line in lines), sum(line.writes for line in lines)
    gpu = "not measured" if any(line.gpu_s is None for line in lines) else "0"
    most, wall = max(line.memory for line in lines), sum(line.wall_s for line in lines)
    sizes = size(reads), size(writes), hours(sum(line.cpu_s for line in lines))
    return "all", "", "", *sizes, gpu, size(most), clock(wall), ""


def _total_used(took: dict[str, Used | None]) -> tuple[str, ...]:
    there = [one for one in took.values() if one]
    most = max((one.memory or 0 for one in there), default=0)
    return "", size(sum(one.bytes for one in there)), hours(sum(one.whole_s or 0 for one in there)), size(most)


def _said(bill: Bill) -> tuple[str, ...]:
    cores = f"Wall time is that of {_machine(bill.machine)}, with --on ray"
    told = f"{bill.samples}, {bill.images}.", f"Rates: {bill.rates}."
    return *told, f"{cores}; what disks and network take is not in it.", *bill.notes


def _machine(machine: Machine) -> str:
    free = "" if machine.disk is None else f", {size(machine.disk)} of disk free"
    return f"{machine.cores} cores and {size(machine.memory)} of memory{free}"


def hours(seconds: float) -> str:
    """Hours, to two digits: `0.0031`, `160`."""
    return _digits(seconds / 3600)


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def clock(seconds: float) -> str:
    """A time as it is said: `12 s`, `3.5 h`, `12 d`."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 72)):
        if seconds / length < most:
            return f"{_digits(seconds / length)} {unit}"
    return f"{seconds / 86400:,.0f} d"
