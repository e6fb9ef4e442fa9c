"""Ray Train workers that share every batch learn what one process learns, also when one of them is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.parallel import DistributedDataParallel

from curate.pretrain.data import Batches
from curate.pretrain.index import ALONE, Index, World
from curate.pretrain.job import ready
from curate.pretrain.objectives import objective
from curate.pretrain.settings import PretrainSettings
from curate.pretrain.state import read
from curate.pretrain.train import loss_of
from curate.pretrain.workers import Told, launch, loop
from curate.progress import Progress
from curate.runfile import from_json
from curate.store import Store
from tests.pretrain.material import finished, loose, taught
from tests.runs import settings

TWO: dict[str, Any] = {"steps": 8, "save_every": 3, "workers": 2}
OBJECTIVES: list[dict[str, Any]] = [
    {"objective": "contrastive"},
    {"objective": "sigmoid"},
    {"objective": "label", "label_field": "colour"},
]


class Killer:
    """Takes progress, and kills the first worker that tells of step 5."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def put(self, at: Progress) -> None:
        if at.done == 5 and not self._marker.exists():
            self._marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)


def gradient(store: Store, given: PretrainSettings, world: World) -> NDArray[np.float32]:
    """The gradient of the first batch, before any step, of all workers together."""
    torch.manual_seed(0)
    index = Index(store, given)
    goal = objective(given, len(index.classes), world)
    net = goal.model()
    shared = net if world.size == 1 else DistributedDataParallel(net)
    batch, _ = next(Batches(index, given, 10**8, world).since(0))
    loss_of(shared, goal, batch, given, torch.device("cpu")).backward()
    return np.asarray(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))


def each_worker(given: dict[str, Any]) -> None:
    """Save the gradient of every objective, then train."""
    from ray import train

    context = train.get_context()
    world = World(context.get_world_rank(), context.get_world_size())
    run = from_json(given["run"], "test")
    for changes in OBJECTIVES:
        found = gradient(Store(run.out), run.pretrain.model_copy(update=changes), world)
        np.save(f"{given['folder']}/{changes['objective']}-{world.rank}.npy", found)
    loop(given)


@pytest.fixture(scope="module")
def left(folder: Path, tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    """Two workers, of which one is killed at step 5; where their gradients are."""
    out, store = tmp_path_factory.mktemp("workers"), finished(folder, **TWO)
    run = settings(folder, folder / "run", **loose(**TWO)).model_dump(mode="json")
    launch(each_worker, {"run": run, "folder": str(out), "told": Killer(out / "killed")}, 2, store)
    return out


@pytest.mark.parametrize("changes", OBJECTIVES, ids=lambda changes: str(changes["objective"]))
def test_two_workers_have_the_gradient_of_one_with_twice_the_batch(
    folder: Path, left: Path, changes: dict[str, Any]
) -> None:
    given = settings(folder, folder / "run", **loose(**TWO)).pretrain.model_copy(update=changes)
    alone = gradient(Store(str(folder / "run")), given, ALONE)
    assert np.abs(alone).max() > 1e-3
    for rank in (0, 1):
        shared = np.load(left / f"{changes['objective']}-{rank}.npy")
        assert np.abs(shared - alone).max() < 1e-5


def test_a_killed_worker_is_replaced_and_goes_on_to_the_same_curve(folder: Path, left: Path) -> None:
    assert (left / "killed").exists()
    saved = read(Store(str(folder / "run")), seed=0)
    assert saved is not None
    shared = saved["curve"]["losses"]
    run = settings(folder, folder / "run", **loose(**TWO))
    assert ready(run, Store(str(folder / "run"))).state.step == 8  # one process opens what several have left
    assert shared == pytest.approx(taught(folder, **{**TWO, "workers": 1}).curve.losses, abs=1e-5)


@pytest.mark.usefixtures("ray_session")
def test_what_a_worker_tells_is_heard_here() -> None:
    heard: list[Progress] = []
    said = [Progress("pretrain", step, 3, 16 * step, 0.5) for step in (1, 2, 3)]
    with Told(heard.append) as told:
        for at in said:
            told.queue.put(at)
    assert heard == said
