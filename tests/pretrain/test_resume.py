"""A training that was stopped goes on to the same end, bit for bit; one that cannot go on says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from curate.errors import CurateError, DigestError
from curate.pretrain.data import Batch, Batches, Waited
from curate.pretrain.objectives import Captions
from curate.pretrain.settings import PretrainSettings
from curate.pretrain.state import State
from curate.pretrain.train import Place, train
from tests.pretrain.material import TINY, finished, taught
from tests.runs import quiet


def same(a: State, b: State) -> bool:
    """The same curve and the same weights, bit for bit."""
    mine, theirs = a.kept.state_dict(), b.kept.state_dict()
    curves = [(state.curve.losses, state.curve.rates, state.curve.gradients) for state in (a, b)]
    return curves[0] == curves[1] and all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("changes", [{}, {"ema": 0.8, "objective": "label", "label_field": "colour", "mixup": 0.3}])
def test_a_training_in_sittings_is_the_same_as_one_in_one(folder: Path, changes: dict[str, Any]) -> None:
    whole = taught(folder, steps=8, **changes)
    assert taught(folder, steps=8, seconds=1e-6, **changes).step == 1
    assert taught(folder, anew=False, steps=8, seconds=1e-6, **changes).step == 2
    again = taught(folder, anew=False, steps=8, **changes)
    assert again.step == 8
    assert same(again, whole)
    assert not same(taught(folder, steps=8, seed=1, **changes), whole)


def test_a_killed_process_goes_on_from_its_last_checkpoint(folder: Path) -> None:
    changes: dict[str, Any] = {"steps": 12, "save_every": 5}
    whole = taught(folder, **changes)
    finished(folder, **changes)
    code = f"""
import os, signal
from pathlib import Path
from tests.pretrain.material import taught
def die(at):
    if at.done == 8:
        os.kill(os.getpid(), signal.SIGKILL)
taught(Path({str(folder)!r}), anew=False, watch=die, **{changes!r})
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, timeout=300)
    assert killed.returncode == -signal.SIGKILL
    steps: list[int] = []
    again = taught(folder, anew=False, watch=lambda at: steps.append(at.done), **changes)
    assert steps[0] == 6
    assert same(again, whole)


def test_an_unfinished_training_of_other_settings_is_not_lost(folder: Path) -> None:
    taught(folder, steps=8, seconds=1e-6)
    with pytest.raises(CurateError, match=r"state-0\.pt: 1 of 8 steps were trained with other settings"):
        taught(folder, anew=False, steps=8, learning_rate=0.1)
    (folder / "run" / "pretrain" / "state-0.pt").write_bytes(b"half a file")
    with pytest.raises(DigestError, match="cannot be read"):
        taught(folder, anew=False, steps=8)


class Given(Batches):
    """Batches that are given."""

    size = 2

    def __init__(self) -> None:
        """Nothing is read."""

    def since(self, start: int) -> Generator[Waited, None, None]:
        while True:
            pixels = np.zeros((2, 16, 16, 3), np.uint8)
            yield Waited(Batch(start, ["k7", "k8"], ["00003", "00001"], pixels, ["a", "b"], None), 0.0)
            start += 1


def diverging(poison: float, **changes: Any) -> None:
    given = PretrainSettings(**{**TINY, "learning_rate": 1e-3, "steps": 60, **changes})
    goal = Captions(given)
    state = State(goal.model(), given, "")
    torch.nn.init.constant_(state.model.scale, poison)
    train(state, goal, Given(), given, Place(torch.device("cpu")), quiet)


def test_a_loss_that_is_not_finite_stops_with_the_step_the_shards_and_the_keys() -> None:
    wanted = r"loss is nan at step 1 of 60, from the start.*shard\(s\) 00001, 00003.*`k7`, `k8`.*learning_rate.*0\.001"
    with pytest.raises(CurateError, match=wanted):
        diverging(float("nan"))


def test_a_loss_that_grows_and_stays_stops_too() -> None:
    given = PretrainSettings(**{**TINY, "steps": 60, "diverged": 1.0001})
    goal = Captions(given)
    state = State(goal.model(), given, "")
    state.curve.losses, state.curve.gradients = [1e-6], [0.0]
    state.curve.rates, state.curve.waits = [0.0], [0.0]
    with pytest.raises(CurateError, match=r"for 20 steps over 0\.000.* at step 21 of 60"):
        train(state, goal, Given(), given, Place(torch.device("cpu")), quiet)
