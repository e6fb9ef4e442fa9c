"""`curate audit`: what of some benchmarks is in a corpus; of a finished run, what of further ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from fsspec.core import has_magic
from rich.console import Console

from curate import runfile, runner
from curate.benchmarks import members
from curate.config import parse
from curate.display import say_report, watching
from curate.errors import ConfigError
from curate.executors import executor
from curate.progress import Progress, Watch
from curate.report.audit import Row
from curate.report.audit_table import tables
from curate.runfile import RunFile
from curate.store import Store

_WHERE = "curate audit"


class Asked(NamedTuple):
    """What the command was asked: a corpus or a run, benchmarks as NAME=PATH or NAME, and how."""

    target: str
    benchmarks: Sequence[str]
    out: str | None = None
    within: bool = False
    like: str | None = None
    calibration: str | None = None
    on: str = "local"
    replace: bool = False


def audit(console: Console, asked: Asked) -> None:
    """Make or extend an audit, and show its table; CurateError says what cannot be done."""
    found = None if has_magic(asked.target) or "{" in asked.target else _there(asked.target)
    settings = _extended(asked, found) if found else _fresh(asked)
    store = Store(settings.out)
    stored = found is not None and store.read_json("signatures", "manifest.json") is not None
    with watching(console) as watch:
        made = _Made(watch)
        if stored:
            runner.audit_stored(settings, executor(asked.on), made)
        else:
            runner.audit(settings, executor(asked.on), made, asked.replace)
    if not made.rows:
        console.print("done before: every part is there, made from these inputs by these settings")
    say(console, settings, store)


class _Made:
    """Watches, and counts the rows that were made."""

    def __init__(self, watch: Watch) -> None:
        self._watch, self.rows = watch, 0

    def __call__(self, at: Progress) -> None:
        self.rows += at.rows if at.ended else 0
        self._watch(at)


def say(console: Console, settings: RunFile, store: Store) -> None:
    """Write the report, show the table, say what is to be removed and where all of it is."""
    say_report(console, settings, store)
    told = store.read_json("report", "audit.json") or {}
    for table in tables([Row(**row) for row in told["benchmarks"]]):
        console.print(table)
    removed = told["removed"]
    lists = f"{store.path('report', 'removed_keys')}.txt, .parquet"
    console.print(f"to be removed: {removed['samples']:,} samples, {lists}", markup=False, soft_wrap=True)
    if removed["no_uids"]:
        console.print(f"no removed_uids.npy: {removed['no_uids']}", markup=False, soft_wrap=True)
    if not settings.audit and store.read_json("clean", "manifest.json") is None:
        console.print(
            "the clean shards are not those of these decisions: give the run file these benchmarks too, and "
            "`curate run RUN.toml --replace` emits them again",
            markup=False,
            soft_wrap=True,
        )


def _there(path: str) -> dict[str, Any] | None:
    """The settings of the run in this directory, if it is one."""
    try:
        return Store(path).read_json("run.json")
    except NotADirectoryError:
        return None


def _named(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """The `[benchmarks]` that are asked for."""
    named: dict[str, dict[str, str]] = {}
    faults = []
    for text in given:
        name, equals, path = text.partition("=")
        if name in named:
            faults.append(f"--benchmark {name} is given twice")
        elif equals and not (path and re.fullmatch(r"[A-Za-z0-9_-]+", name)):
            faults.append(f"--benchmark wants NAME=PATH, the name of letters, digits, - and _; not {text!r}")
        elif not equals and not members(name):
            faults.append(f"no benchmark `{name}` is known (`curate benchmarks` lists them); say {name}=PATH")
        named[name] = {"path": path} if equals else {}
    if faults:
        raise ConfigError(_WHERE, faults)
    return named


def _fresh(asked: Asked) -> RunFile:
    """The settings of an audit of a corpus."""
    named = _named(asked.benchmarks)
    if not named:
        raise ConfigError(_WHERE, [f"{asked.target} is no run, so it is a corpus: which --benchmark?"])
    out = asked.out or _out_of(asked.target)
    before = Store(out).read_json("run.json")
    if before is not None and not before.get("audit", False):
        raise ConfigError(_WHERE, [f"{out} holds a run that is no audit; `curate audit {out}` extends it"])
    values: dict[str, Any] = {"out": out, "corpus": {"path": asked.target}, "benchmarks": named}
    values |= {"audit": True, "within": asked.within}
    like = runfile.read(asked.like).model_dump(mode="json") if asked.like else {}
    values |= {name: like[name] for name in ("signatures", "contamination", "recall", "decisions", "report") if like}
    return _calibrated(parse(RunFile, _own_thresholds(values), _WHERE), asked)


def _own_thresholds(values: dict[str, Any]) -> dict[str, Any]:
    """Less the thresholds that the other run file has for benchmarks that are not asked for."""
    matching = values.get("contamination")
    if not matching:
        return values
    own = {name: limits for name, limits in matching["thresholds"].items() if name in values["benchmarks"]}
    return values | {"contamination": {**matching, "thresholds": own}}


def _extended(asked: Asked, found: dict[str, Any]) -> RunFile:
    """The settings of a run that is there, with the benchmarks that are asked for."""
    odd = {"--out": asked.out, "--like": asked.like, "--within": asked.within, "--replace": asked.replace}
    given = [name for name, value in odd.items() if value]
    if given:
        raise ConfigError(_WHERE, [f"{asked.target} is a run with settings of its own; it takes no {', '.join(given)}"])
    named = {**found["benchmarks"], **_named(asked.benchmarks)}
    return _calibrated(runfile.from_json({**found, "out": asked.target, "benchmarks": named}, _WHERE), asked)


def _calibrated(run: RunFile, asked: Asked) -> RunFile:
    """With the thresholds of the calibration that is asked for, which go before those the settings have."""
    if asked.calibration:
        matching = run.contamination.model_copy(update={"calibration": asked.calibration, "thresholds": {}})
        run = run.model_copy(update={"contamination": matching})
    return runfile.calibrated(run)


def _out_of(corpus: str) -> str:
    """`audits/NAME`, after the corpus' last folder or file that has a plain name."""
    steps = corpus.removesuffix(".tar").removesuffix(".parquet").split("/")
    plain = [step for step in steps if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", step)]
    return f"audits/{plain[-1] if plain else 'corpus'}"
