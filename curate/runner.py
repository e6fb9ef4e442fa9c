"""What is done, what is stale, what is still to make: runs the steps, part by part, and signs for each dataset.

Done-ness is decided by what a part was made from (its recipe), never by a counter or by a file merely being there.
"""

from __future__ import annotations

import fcntl
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from curate import runfile
from curate.errors import CurateError, PartsFailedError, RunLockedError, StaleError
from curate.executors import Executor
from curate.lists import cut_urls
from curate.manifest import Meter, Spent, sign
from curate.progress import Progress, Watch
from curate.runfile import RunFile
from curate.steps import STEPS, Opened, Step, Task, check_signed, dataset_names, wanted
from curate.store import Dataset, Footer, MadeFrom, Store


@dataclass(frozen=True)
class Done:
    """A part that was made."""

    part: str
    footer: Footer
    spent: Spent


@dataclass(frozen=True)
class Failed:
    """A part that was not, and why."""

    part: str
    why: str
    trace: str = ""


class PartWorker:
    """Makes parts of one step, in whatever process it was sent to; failures are values: no part stops another."""

    def __init__(self, step: Step, run: RunFile) -> None:
        self._step_name, self._run = step.name, run
        self._opened: Opened | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}  # models and indexes are loaded where they are used

    def __call__(self, task: Task, /) -> Done | Failed:
        try:
            spent = Meter()
            return Done(task.name, self._make(task, spent), spent.read())
        except CurateError as error:
            return Failed(task.name, str(error))
        except Exception as error:  # whatever it is, the other parts go on and the run names this one
            return Failed(task.name, f"{type(error).__name__}: {error}", traceback.format_exc())

    def lost(self, task: Task, why: str, /) -> Failed:
        """The outcome of a task whose process died with it."""
        return Failed(task.name, why)

    def _make(self, task: Task, spent: Meter) -> Footer:
        step = _STEP[self._step_name]
        store = Store(self._run.out)
        if self._opened is None:
            self._opened = step.open(self._run, store)
            spent.opened()
        data = store.dataset(step.name)
        made_from = _made_from(step, self._run, task)
        if not step.emits_tar:
            return data.write(task.name, self._opened.work(task), made_from, facts=self._opened.facts)
        with data.tar(task.name) as tar:
            table = self._opened.work(task, tar)
        return data.write(task.name, table, made_from, tar.hexdigest(), self._opened.facts)


def run(settings: RunFile, executor: Executor, watch: Watch, stage: str | None = None, replace: bool = False) -> Store:
    """Bring a run up to date, all stages or one; raises StaleError, PartsFailedError or another CurateError."""
    with _begun(settings) as store:
        if settings.urls and stage in (None, "urls"):
            cut_urls(settings.urls, store, watch, replace)
        for step in chosen(settings, stage):
            _run_step(step, settings, store, executor, _Options(watch, replace))
    return store


def audit(settings: RunFile, executor: Executor, watch: Watch, replace: bool = False) -> Store:
    """Bring an audit up to date: what was made for other benchmarks or thresholds is replaced without being asked.

    Stale signatures are refused as by `run`, unless `replace`.
    """
    with _begun(settings) as store:
        if settings.urls:
            cut_urls(settings.urls, store, watch, replace)
        for step in wanted(settings):
            _run_step(step, settings, store, executor, _Options(watch, replace or not step.reads_corpus))
    return store


def audit_stored(settings: RunFile, executor: Executor, watch: Watch) -> Store:
    """Bring up to date what is made from a finished run's signatures, stale or not: its corpus may be gone.

    Clean shards that held to other decisions are no longer called finished.
    """
    with _begun(settings) as store:
        check_signed(settings, store)
        before = store.read_json("decisions", "manifest.json") or {}
        for step in wanted(settings):
            if not step.reads_corpus:
                _run_step(step, settings, store, executor, _Options(watch, replace=True))
        after = store.read_json("decisions", "manifest.json") or {}
        for step in wanted(settings) if before.get("content") != after.get("content") else []:
            if step.name not in ("shards", "signatures") and step.reads_corpus:
                store.delete(step.name, "manifest.json")
    return store


@contextmanager
def _begun(settings: RunFile) -> Iterator[Store]:
    """The run's directory, locked; the settings stand in its `run.json` once all of the block went well."""
    store = Store(settings.out)
    with _locked(store):
        store.sweep()
        resolved = settings.model_dump(mode="json")
        if store.read_json("run.json") is None:
            store.write_json(resolved, "run.json")
        yield store
        store.write_json(resolved, "run.json")  # only now: settings that were refused are not the run's


def chosen(settings: RunFile, stage: str | None = None) -> list[Step]:
    """The steps that this run wants, in order, or only `stage` (`urls` is no step); CurateError when it has no such."""
    names = dataset_names(settings)
    if stage is not None and stage not in names:
        raise CurateError(f"this run has no stage `{stage}`; it has {', '.join(names)}")
    return [step for step in wanted(settings) if stage in (None, step.name)]


@dataclass(frozen=True)
class _Options:
    watch: Watch
    replace: bool


def _run_step(step: Step, settings: RunFile, store: Store, executor: Executor, options: _Options) -> None:
    began = time.monotonic()
    _require_inputs(step, settings, store)
    data = store.dataset(step.name)
    tasks = step.tasks(settings, store)
    footers = _settle(data, {task.name: _made_from(step, settings, task) for task in tasks}, options.replace)
    todo = [task for task in tasks if task.name not in footers]
    if todo:
        store.delete(step.name, "manifest.json")  # a manifest stands for a dataset that is whole
    rows, failures, spent = 0, [], Spent()
    options.watch(Progress(step.name, len(footers), len(tasks), 0, 0))
    for outcome in executor.map(PartWorker(step, settings), todo, step.room(settings)):
        if isinstance(outcome, Failed):
            failures.append(outcome)
            continue
        footers[outcome.part] = outcome.footer
        rows += outcome.footer.count
        spent += outcome.spent
        options.watch(Progress(step.name, len(footers), len(tasks), rows, time.monotonic() - began))
    if failures:
        _report_failures(step, store, failures, len(tasks))
    store.delete(step.name, "failures.txt")
    seconds = time.monotonic() - began
    whole = {"cpu": spent.cpu(), "memory": spent.memory} if len(todo) == len(tasks) else {}
    sign(data, footers, {"settings": step.settings(settings)}, {"seconds": round(seconds, 3), **whole})
    options.watch(Progress(step.name, len(footers), len(tasks), rows, seconds, ended=True))


def _require_inputs(step: Step, settings: RunFile, store: Store) -> None:
    """A stage alone works on what is there; it must be whole."""
    wanted = dataset_names(settings)
    for name in step.needs:
        if name in wanted and store.read_json(name, "manifest.json") is None:
            raise CurateError(f"`{step.name}` needs `{name}`, which is not finished; run without --stage first")


def _made_from(step: Step, settings: RunFile, task: Task) -> MadeFrom:
    return MadeFrom(step.name, step.version, step.settings(settings), task.inputs)


def _settle(data: Dataset, wanted: dict[str, MadeFrom], replace: bool) -> dict[str, Footer]:
    """Compare what is there with what is wanted: the footers of the parts that are done.

    Stale and foreign parts are refused by name, or deleted when `replace`.
    """
    footers = data.footers()
    odd = {part: _why_odd(footer, wanted.get(part)) for part, footer in sorted(footers.items())}
    odd = {part: why for part, why in odd.items() if why}
    if odd and not replace:
        some = "\n".join(f"  - {data.path(part)} {why}" for part, why in list(odd.items())[:5])
        raise StaleError(
            f"{len(odd)} part(s) of `{data.name}` are not what this run would make:\n{some}\n"
            "Choose another directory, or pass --replace to make them again."
        )
    for part in odd:
        data.delete(part)
    if odd:
        data.store.delete(data.name, "manifest.json")
    return {part: footer for part, footer in footers.items() if part not in odd}


def _why_odd(footer: Footer, wanted: MadeFrom | None) -> str:
    if wanted is None:
        return "belongs to no shard of this run"
    if footer.recipe == wanted.recipe:
        return ""
    was = footer.made_from
    changed = [k for k in was.settings.keys() | wanted.settings if was.settings.get(k) != wanted.settings.get(k)]
    why = [f"setting `{k}` changed from {was.settings.get(k)!r} to {wanted.settings.get(k)!r}" for k in sorted(changed)]
    why += ["its inputs changed"] if was.inputs != wanted.inputs else []
    why += (
        [f"made by version {was.version} of the stage, not {wanted.version}"] if was.version != wanted.version else []
    )
    return f"was made as {footer.recipe[:8]}, this run would make {wanted.recipe[:8]}: {'; '.join(why)}"


def _report_failures(step: Step, store: Store, failures: list[Failed], parts: int) -> None:
    traces = "\n".join(f"{f.part}: {f.why}\n{f.trace}" for f in failures)
    store.write_bytes(traces.encode(), step.name, "failures.txt")
    some = "\n".join(f"  - {f.part}: {f.why}" for f in failures[:10])
    more = f"\n  - and {len(failures) - 10} more" if len(failures) > 10 else ""
    raise PartsFailedError(
        f"{len(failures)} of {parts} part(s) of `{step.name}` failed; the others are done and kept:\n{some}{more}\n"
        f"Details: {store.path(step.name, 'failures.txt')}. Run again to try these parts again."
    )


@contextmanager
def _locked(store: Store) -> Iterator[None]:
    """Keep a second process out of a local run directory; the system frees the lock when this one dies."""
    if (
        not store.is_local
    ):  # object stores have no locks; parts are whole or absent there, so work is at worst done twice
        yield
        return
    os.makedirs(store.root, exist_ok=True)
    with open(store.path(".lock"), "a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunLockedError(f"{store.root}: another curate process is working in this run; wait for it") from None
        yield


def open_run(path: str) -> tuple[RunFile, Store]:
    """The settings and the store of a run that was started, by its directory or its run file."""
    if path.endswith(".toml"):
        path = runfile.load(path).out
    store = Store(path)
    settings = store.read_json("run.json")
    if settings is None:
        raise CurateError(f"{path}: no run here (no run.json); start one with `curate run RUN.toml`")
    return runfile.from_json(settings, store.path("run.json")), store


_STEP = {step.name: step for step in STEPS}
