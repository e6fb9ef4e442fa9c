"""Where parts are made: one after another in this process, or side by side on Ray.

Each executor hands every task to a worker and yields the outcomes as they come; the order is nobody's business, since
parts do not know of each other. Of all other files only `pretrain/workers.py` imports ray.
"""

from __future__ import annotations

import os
import sys
from collections import deque
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

    One task is in flight per actor: a part takes seconds, handing it out a millisecond, and an actor that dies (memory,
    a lost node) then takes no other task with it. Its task is tried `retries` more times, each by a new actor, which on
    a cluster that has shrunk begins when another has ended.
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
        shared = ray.put(worker)
        slot = ray.remote(_Slot).options(num_cpus=needs.num_cpus, num_gpus=needs.num_gpus, max_restarts=0)
        waiting = deque((task, 0) for task in tasks)
        at_work: dict[Any, tuple[Any, Any, int]] = {}
        idle = [slot.remote(shared) for _ in range(self._slots(needs, len(tasks)))]
        while waiting or at_work:
            while waiting and idle:
                (task, deaths), actor = waiting.popleft(), idle.pop()
                at_work[actor.do.remote(task)] = (actor, task, deaths)
            (done,), _ = ray.wait(list(at_work), num_returns=1)
            actor, task, deaths = at_work.pop(done)
            try:
                outcome = ray.get(done)
            except ray.exceptions.RayError as error:
                ray.kill(actor)
                idle.append(slot.remote(shared))
                if deaths < self._retries:
                    waiting.append((task, deaths + 1))
                    continue
                said = str(error).splitlines()[0]
                outcome = worker.lost(task, f"its Ray worker died {deaths + 1} times: {said}")
            else:
                idle.append(actor)
            while idle and not waiting:  # at once: a new actor for a lost node's task may wait for its room
                ray.kill(idle.pop())
            yield outcome

    def _slots(self, needs: Needs, tasks: int) -> int:
        """How many workers fit on the cluster now, and no more than there are tasks; CurateError where none fits."""
        have = self._ray.cluster_resources()
        fits = [int(have.get("CPU", 0) / needs.num_cpus)] if needs.num_cpus else []
        fits += [int(have.get("GPU", 0) / needs.num_gpus)] if needs.num_gpus else []
        if fits and min(fits) < 1:
            raise CurateError(f"no Ray node can hold a worker of {needs}; the cluster has {have}")
        return min([*fits, tasks])


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
