"""Ray gives the same outcomes as this process, and a worker that dies costs only its own task."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from curate.errors import CurateError
from curate.executors import Needs, Ray, Serial


class Doubler:
    """Doubles numbers; dies on negative ones: the first time only where there is a `marker` to remember it by."""

    def __init__(self, marker: Path | None = None) -> None:
        self._marker = marker

    def __call__(self, task: int, /) -> tuple[int, int | str]:
        if task < 0:
            if self._marker and self._marker.exists():
                return task, "second life"
            if self._marker:
                self._marker.touch()
            os._exit(1)
        return task, 2 * task

    def lost(self, task: int, why: str, /) -> tuple[int, int | str]:
        return task, f"lost: {why}"


@pytest.mark.usefixtures("ray_session")
def test_ray_and_serial_give_the_same() -> None:
    tasks = list(range(20))
    expected = [(i, 2 * i) for i in tasks]
    assert sorted(Ray(None).map(Doubler(), tasks, Needs())) == expected
    assert sorted(Serial().map(Doubler(), tasks, Needs())) == expected


@pytest.mark.usefixtures("ray_session")
def test_a_task_is_tried_again_after_its_worker_died(tmp_path: Path) -> None:
    found = dict(Ray(None).map(Doubler(tmp_path / "died"), [1, -1, 2], Needs()))
    assert found == {1: 2, -1: "second life", 2: 4}


@pytest.mark.usefixtures("ray_session")
def test_a_task_that_always_kills_its_worker_is_lost_alone() -> None:
    found = dict(Ray(None, retries=1).map(Doubler(), [1, -1, 2, 3], Needs()))
    assert str(found.pop(-1)).startswith("lost: its Ray worker died 2 times")
    assert found == {1: 2, 2: 4, 3: 6}


@pytest.mark.usefixtures("ray_session")
def test_needs_that_no_node_has_are_refused() -> None:
    with pytest.raises(CurateError, match="no Ray node can hold a worker"):
        list(Ray(None).map(Doubler(), [1], Needs(num_cpus=1, num_gpus=4)))


@pytest.mark.usefixtures("ray_session")
def test_no_tasks_no_work() -> None:
    assert list(Ray(None).map(Doubler(), [], Needs())) == []
