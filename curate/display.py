"""What the terminal shows of a run: progress with rates and time left, and the state of its datasets."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from curate.executors import executor
from curate.progress import Progress
from curate.report import write_report
from curate.runfile import RunFile
from curate.runner import run
from curate.steps import STEPS
from curate.store import Store


def show_run(
    console: Console, settings: RunFile, on: str = "local", stage: str | None = None, replace: bool = False
) -> None:
    """Run with progress on the terminal, then write the report and say where it is."""
    with _bars(console) as bars:
        store = run(settings, executor(on), _Watch(bars), stage, replace)
    if stage is None:
        console.print(f"report: {write_report(settings, store)}", markup=False, soft_wrap=True)


def _bars(console: Console) -> Bars:
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TextColumn("parts {task.fields[rows]:>9,} rows {task.fields[rate]:>8,.0f}/s"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    return Bars(*columns, console=console, auto_refresh=console.is_terminal)


class _Watch:
    """One bar a stage; on a pipe or in a log, one line when a stage ends."""

    def __init__(self, bars: Bars) -> None:
        self._bars, self._tasks = bars, dict[str, TaskID]()
        self._begun_with: dict[str, int] = {}

    def __call__(self, at: Progress) -> None:
        first = self._begun_with.setdefault(at.stage, at.done)
        rate = at.rows / at.seconds if at.seconds else 0
        made = at.done - first
        left = f"{at.seconds / made * (at.parts - at.done):,.0f} s left" if made and not at.ended else ""
        fields: dict[str, Any] = {"rows": at.rows, "rate": rate, "left": left}
        if at.stage not in self._tasks:
            self._tasks[at.stage] = self._bars.add_task(at.stage, total=max(at.parts, 1), **fields)
        done = max(at.done, 1) if at.ended else at.done
        self._bars.update(self._tasks[at.stage], completed=done, total=max(at.parts, 1), **fields)


def status_table(settings: RunFile, store: Store) -> Table:
    """The state of every dataset of a run: parts, rows, what became of them, and the digest of its content."""
    table = Table(title=store.root, title_justify="left")
    for column in ("dataset", "parts", "rows", "state", "statuses", "content"):
        table.add_column(column, justify="right" if column in ("parts", "rows") else "left")
    names = (["urls"] if settings.urls else []) + [step.name for step in STEPS if step.wanted(settings)]
    for name in names:
        manifest = store.read_json(name, "manifest.json")
        parts = len(store.dataset(name).parts())
        if manifest is None:
            table.add_row(name, str(parts), "", "begun" if parts else "not begun", "", "")
            continue
        said = ", ".join(f"{status} {count:,}" for status, count in manifest["statuses"].items())
        table.add_row(name, str(parts), f"{manifest['count']:,}", "done", said, manifest["content"][:12])
    return table


def show_pretrain(console: Console, settings: RunFile, store: Store) -> None:
    """Pretrain with progress on the terminal, then write the report again, now with the curves."""
    from curate.pretrain import pretrain

    with _bars(console) as bars:
        result = pretrain(settings, store, _Watch(bars))
    console.print(result)
    console.print(f"report: {write_report(settings, store)}", markup=False, soft_wrap=True)
