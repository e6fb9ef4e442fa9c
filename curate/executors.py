"""Where parts are made: one after another in this process, or side by side on Ray. The only file that imports ray.

Each executor hands every task to a worker and yields the outcomes as they come; the order is nobody's business, since
parts do not know of each other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from curate.errors import CurateError


class Worker(Protocol):
    """Makes one part after another; picklable; gives its failures back as values."""

    def __call__(self, task: Any, /) -> Any:
        """The outcome of a task."""
        ...

    def lost(self, task: Any, why: str, /) -> Any:
        """The outcome of a task whose process died with it."""
        ...


@dataclass(frozen=True)
class Needs:
    """What one worker occupies while it works, as Ray counts it."""

    num_cpus: float = 1
    num_gpus: float = 0


class Executor(Protocol):
    """Makes parts."""

    def map(self, worker: Worker, tasks: Sequence[Any], needs: Needs) -> Iterator[Any]:
        """Yield `worker(task)` for every task, in any order."""
        ...


class Serial:
    """One after another, in this process."""

    def map(self, worker: Worker, tasks: Sequence[Any], needs: Needs) -> Iterator[Any]:
        del needs  # this process is all there is
        return (worker(task) for task in tasks)


class Ray:
    """Side by side on a Ray cluster: one actor a slot, so that a model or an index is loaded once a worker.

    Two tasks are in flight per actor: one at work, one waiting, so that no actor idles and none hoards. An actor that
    dies (memory, a lost node) is started again and its task tried `retries` more times.
    """

    def __init__(self, address: str | None, retries: int = 3) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        self._ray, self._retries = ray, retries
        if not ray.is_initialized():
            where = {"address": address} if address else _OWN_CLUSTER
            ray.init(log_to_driver=False, logging_level="ERROR", **where)

    def map(self, worker: Worker, tasks: Sequence[Any], needs: Needs) -> Iterator[Any]:
        ray = self._ray
        options = {
            "num_cpus": needs.num_cpus,
            "num_gpus": needs.num_gpus,
            "max_restarts": -1,
            "max_task_retries": self._retries,
        }
        shared = ray.put(worker)
        actors = [ray.remote(_Slot).options(**options).remote(shared) for _ in range(self._slots(needs, len(tasks)))]
        waiting = list(reversed(tasks))
        at_work: dict[Any, tuple[Any, Any]] = {}
        for actor in actors * 2:
            self._hand_out(actor, waiting, at_work)
        while at_work:
            (done,), _ = ray.wait(list(at_work), num_returns=1)
            actor, task = at_work.pop(done)
            self._hand_out(actor, waiting, at_work)
            yield self._outcome(done, worker, task)
        for actor in actors:
            ray.kill(actor)

    def _hand_out(self, actor: Any, waiting: list[Any], at_work: dict[Any, tuple[Any, Any]]) -> None:
        if waiting:
            task = waiting.pop()
            at_work[actor.do.remote(task)] = (actor, task)

    def _outcome(self, done: Any, worker: Any, task: Any) -> Any:
        try:
            return self._ray.get(done)
        except self._ray.exceptions.RayError as error:
            return worker.lost(task, f"its Ray worker died {self._retries + 1} times: {str(error).splitlines()[0]}")

    def _slots(self, needs: Needs, tasks: int) -> int:
        """How many workers fit on the cluster now, at least one and no more than there are tasks."""
        have = self._ray.cluster_resources()
        fits = [int(have.get("CPU", 0) / needs.num_cpus)] if needs.num_cpus else []
        fits += [int(have.get("GPU", 0) / needs.num_gpus)] if needs.num_gpus else []
        if fits and min(fits) < 1:
            raise CurateError(f"no Ray node can hold a worker of {needs}; the cluster has {have}")
        return max(1, min([*fits, tasks]))


_OWN_CLUSTER: dict[str, Any] = {"include_dashboard": False}
if sys.platform == "linux":  # there the whole 127/8 is loopback: a Ray of one machine need not listen to others
    _OWN_CLUSTER["_node_ip_address"] = "127.0.0.2"


class _Slot:
    """One Ray actor, holding its own copy of the worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def do(self, task: Any) -> Any:
        return self._worker(task)


def executor(on: str) -> Executor:
    """The executor for `--on`: `local`, `ray` (a Ray started here, or the one this job runs on), or a Ray address."""
    if on == "local":
        return Serial()
    if on == "ray":
        return Ray(os.environ.get("RAY_ADDRESS"))
    return Ray(on)
