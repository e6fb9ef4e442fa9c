"""What the runner knows of a stage: its parts, what each is made from, and how a worker makes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from curate.executors import Needs
from curate.runfile import RunFile
from curate.store import Store


class Task(NamedTuple):
    """One part to be made: its name, the digest of its inputs' content, and what the stage needs to find them."""

    name: str
    inputs: str
    payload: Any


Work = Callable[..., pa.Table]
"""`work(task)`, or `work(task, tar)` of a step that emits a tar -> the part's table."""


class Opened(NamedTuple):
    """A stage in a worker, its model or index loaded: makes parts. `facts` (model, weights) go into the footers."""

    work: Work
    facts: dict[str, Any] = {}  # noqa: RUF012 - never written to


@dataclass(frozen=True)
class Step:
    """One stage as the runner sees it."""

    name: str
    version: int
    needs: tuple[str, ...]
    settings: Callable[[RunFile], dict[str, Any]]
    tasks: Callable[[RunFile, Store], list[Task]]
    open: Callable[[RunFile, Store], Opened]
    wanted: Callable[[RunFile], bool] = lambda run: True
    room: Callable[[RunFile], Needs] = lambda run: Needs()
    emits_tar: bool = False
    audits: bool = False
    """An audit needs it."""
    reads_corpus: bool = False
    """It opens shards of samples, which may be gone once they are signed."""
