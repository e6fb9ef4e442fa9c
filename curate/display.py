"""What the terminal shows of a run: progress with rates and time left, and the state of its datasets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from curate.contracts import statuses
from curate.executors import executor
from curate.progress import Progress, Watch
from curate.report import write_report
from curate.runfile import RunFile
from curate.runner import run
from curate.steps import dataset_names
from curate.store import Store

_EVERY_S = 10.0


def show_run(
    console: Console, settings: RunFile, on: str = "local", stage: str | None = None, replace: bool = False
) -> None:
    """Run with progress on the terminal, then write the report and say where it is."""
    with watching(console) as watch:
        store = run(settings, executor(on), watch, stage, replace)
    if stage is None:
        say_report(console, settings, store)


def say_report(console: Console, settings: RunFile, store: Store) -> None:
    """Write the report and say where it is, on one line that a terminal can open."""
    console.print(f"report: {write_report(settings, store)}", markup=False, soft_wrap=True)


@contextmanager
def watching(console: Console) -> Iterator[Watch]:
    """Show progress while the block runs: bars on a terminal, lines in a log."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]} {task.fields[rows]:>9,} rows {task.fields[rate]:>8,.0f}/s"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Bars(*columns, console=console) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar a stage."""

    def __init__(self, bars: Bars) -> None:
        self._bars, self._tasks, self._estimate = bars, dict[str, TaskID](), _Estimate()

    def __call__(self, at: Progress) -> None:
        fields: dict[str, Any] = {"unit": at.unit, "rows": at.rows, "rate": _rate(at), "left": self._estimate(at)}
        fields["note"] = at.note
        if at.stage not in self._tasks:
            self._tasks[at.stage] = self._bars.add_task(at.stage, total=None, **fields)
        total = max(at.parts, 1)  # a stage without parts is done, not 0 of 0
        done = total if at.ended else at.done
        self._bars.update(self._tasks[at.stage], completed=done, total=total, **fields)


class _Lines:
    """A line when a stage ends, and every ten seconds until then."""

    def __init__(self, console: Console) -> None:
        self._console, self._said, self._estimate = console, 0.0, _Estimate()

    def __call__(self, at: Progress) -> None:
        left = self._estimate(at)
        if at.ended or at.seconds - self._said >= _EVERY_S:
            self._said = 0.0 if at.ended else at.seconds
            parts = f"{at.stage:<14} {at.done}/{at.parts} {at.unit}"
            line = f"{parts}, {at.rows:,} rows in {at.seconds:.1f} s, {_rate(at):,.0f}/s {left} {at.note}"
            self._console.print(line.rstrip(), markup=False, soft_wrap=True)


class _Estimate:
    """Time left of a stage, from the parts made in this run: those found done say nothing of the speed."""

    def __init__(self) -> None:
        self._found_done: dict[str, int] = {}

    def __call__(self, at: Progress) -> str:
        made = at.done - self._found_done.setdefault(at.stage, at.done)
        left = at.seconds / made * (at.parts - at.done) if made else 0
        return f"{left:,.0f} s left" if left and not at.ended else ""


def _rate(at: Progress) -> float:
    return at.rows / at.seconds if at.seconds else 0.0


def status_tables(settings: RunFile, store: Store) -> Iterator[Table]:
    """The state of every dataset of a run, with the digest of its content; then what became of the samples."""
    table = Table(title=store.root, title_justify="left")
    for column in ("dataset", "parts", "rows", "state", "seconds", "content"):
        table.add_column(column, justify="right" if column in ("parts", "rows", "seconds") else "left")
    counts: dict[str, int] = {}
    for name in dataset_names(settings):
        parts = len(store.dataset(name).parts())
        manifest = store.read_json(name, "manifest.json")
        if manifest is None:
            table.add_row(name, str(parts), "", "begun" if parts else "not begun", "", "")
            continue
        rows, seconds = f"{manifest['count']:,}", f"{manifest['seconds']:,.1f}"
        table.add_row(name, str(parts), rows, "done", seconds, manifest["content"][:12])
        counts = manifest["statuses"] if name in ("shards", "signatures", "decisions") else counts
    yield table
    if counts:
        yield _yield_table(counts)


def _yield_table(counts: dict[str, int]) -> Table:
    """Why the yield is what it is: samples by status, the largest count first."""
    table = Table(title="What became of the samples", title_justify="left")
    for column in ("status", "samples", "share", "meaning"):
        table.add_column(column, justify="right" if column in ("samples", "share") else "left")
    total = sum(counts.values())
    for status, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        table.add_row(status, f"{count:,}", f"{count / total:.2%}", statuses()[status].meaning)
    return table


def show_pretrain(console: Console, settings: RunFile, store: Store, on: str = "local") -> None:
    """Pretrain with progress on the terminal, then write the report again, now with the curves."""
    from curate.pretrain import pretrain

    with watching(console) as watch:
        result = pretrain(settings, store, watch, on)
    console.print(result)
    say_report(console, settings, store)


def show_compare(console: Console, settings: RunFile, store: Store) -> None:
    """Compare trainings on dirty, clean and randomly thinned data, then write the report again, now with the gap."""
    from curate.pretrain import compare

    with watching(console) as watch:
        result = compare(settings, store, watch)
    console.print(result)
    say_report(console, settings, store)
