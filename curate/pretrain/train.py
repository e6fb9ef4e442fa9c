"""The training loop. It runs in one process, or in each of several that share every batch."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from curate.errors import CurateError
from curate.pretrain import speed
from curate.pretrain.data import Batch, Batches
from curate.pretrain.index import ALONE, World
from curate.pretrain.objectives import Objective
from curate.pretrain.schedule import learning_rate
from curate.pretrain.settings import PretrainSettings
from curate.pretrain.state import State
from curate.progress import Progress, Watch
from curate.store import Store

_PATIENCE = 20
"""A loss that is far above the first one for so many steps will not come down again."""


@dataclass(frozen=True)
class Place:
    """Where a training runs: on which device, as which of how many processes, and where its state is saved."""

    device: torch.device
    world: World = ALONE
    store: Store | None = None


def train(
    state: State, goal: Objective, batches: Batches, settings: PretrainSettings, place: Place, watch: Watch
) -> None:
    """Train on until `steps` are done or `seconds` are over; CurateError when the loss is not finite or diverges.

    On the CPU, a training that was stopped and goes on ends with the same weights, bit for bit, as one that was not.
    """
    net = _wrapped(state.model, settings, place)
    clock = _Clock(time.monotonic(), state.curve.seconds, state.curve.images)
    data = batches.since(state.step)
    net.train()
    while state.step < settings.steps:
        batch, waited = next(data)
        _step(state, net, goal, batch, settings, place)
        state.curve.waits.append(waited)
        state.curve.images += len(batch.keys) * place.world.size
        state.curve.seconds = clock.seconds + time.monotonic() - clock.began
        _judge(state, batch, settings)
        watch(_progress(state, settings, place, clock))
        is_over = settings.seconds is not None and _any(time.monotonic() - clock.began >= settings.seconds, place)
        if state.step % settings.save_every == 0 or is_over:
            _save(state, place)
        if is_over:
            break
    data.close()
    if state.step % settings.save_every:
        _save(state, place)
    watch(_progress(state, settings, place, clock, ended=True))


class _Clock(NamedTuple):
    """When this sitting began, and the seconds and images of those before it."""

    began: float
    seconds: float
    images: int


def _wrapped(model: nn.Module, settings: PretrainSettings, place: Place) -> nn.Module:
    net = model if settings.compile == "no" else torch.compile(model, backend=settings.compile)
    return DistributedDataParallel(net) if place.world.size > 1 else net


def _step(
    state: State, net: nn.Module, goal: Objective, batch: Batch, settings: PretrainSettings, place: Place
) -> None:
    """One step down the gradient; notes the loss before it."""
    rate = learning_rate(state.step, settings)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.zero_grad(set_to_none=True)
    loss = loss_of(net, goal, batch, settings, place.device)
    loss.backward()
    length = nn.utils.clip_grad_norm_(state.model.parameters(), settings.clip)
    state.optimizer.step()
    if state.average is not None:
        state.average.update_parameters(state.model)
    state.curve.losses.append(_mean(loss.detach(), place))
    state.curve.rates.append(rate)
    state.curve.gradients.append(float(length))


def loss_of(
    net: nn.Module, goal: Objective, batch: Batch, settings: PretrainSettings, device: torch.device
) -> torch.Tensor:
    """The loss on a batch. Matrices are multiplied in bf16 on a GPU, or where the settings say so."""
    halved = settings.precision == "bf16" or (settings.precision == "auto" and device.type == "cuda")
    with torch.autocast(device.type, torch.bfloat16, enabled=halved):
        return goal(net, batch, device)


def _mean(loss: torch.Tensor, place: Place) -> float:
    if place.world.size > 1:
        distributed.all_reduce(loss)
    return float(loss) / place.world.size


def _any(here: bool, place: Place) -> bool:
    """Whether it is so in any of the processes: all must stop at the same step."""
    if place.world.size == 1:
        return here
    told = torch.tensor(float(here), device=place.device)
    distributed.all_reduce(told)
    return bool(told)


def _save(state: State, place: Place) -> None:
    if place.store is not None and place.world.rank == 0:
        state.save(place.store)


def _judge(state: State, batch: Batch, settings: PretrainSettings) -> None:
    """CurateError when going on makes no sense, naming the step and what it looked at."""
    losses = state.curve.losses
    lately = losses[-_PATIENCE:]
    limit = settings.diverged * losses[0]
    if math.isfinite(losses[-1]) and (state.step <= _PATIENCE or min(lately) <= limit):
        return
    before = f"after {losses[-2]:.3f}" if len(losses) > 1 else "from the start"
    why = f"{losses[-1]:.3f}, for {_PATIENCE} steps over {limit:.3f}," if math.isfinite(losses[-1]) else f"{losses[-1]}"
    keys = ", ".join(f"`{key}`" for key in batch.keys[:5])
    raise CurateError(
        f"pretrain: the loss is {why} at step {state.step} of {settings.steps}, {before}; its batch is of shard(s) "
        f"{', '.join(sorted(set(batch.shards)))}, and begins with {keys}. "
        f"Lower `pretrain.learning_rate`, which is {settings.learning_rate}, or look at these samples."
    )


def _progress(state: State, settings: PretrainSettings, place: Place, clock: _Clock, ended: bool = False) -> Progress:
    curve = state.curve
    images, seconds = curve.images - clock.images, curve.seconds - clock.seconds
    wait = sum(curve.waits) / max(curve.seconds, 1e-9)
    note = f"loss {curve.losses[-1]:.3f}, {wait:.0%} waiting for data"
    share = speed.used(settings, images / max(seconds, 1e-9), name_of(place.device), place.world.size)
    note += "" if share is None else f", MFU {share:.1%}"
    parts = state.step if ended else settings.steps
    return Progress("pretrain", state.step, parts, images, seconds, ended, unit="steps", note=note)


def name_of(device: torch.device) -> str:
    """What a device is called."""
    return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else device.type
