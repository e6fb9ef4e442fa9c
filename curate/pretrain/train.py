"""The training loop: captions told apart by their pictures, and pictures by their captions."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from open_clip.loss import ClipLoss
from open_clip.tokenizer import SimpleTokenizer
from torch import nn

from curate.errors import CurateError
from curate.pretrain.data import Batch
from curate.pretrain.model import TwoTowers
from curate.pretrain.settings import PretrainSettings
from curate.progress import Progress, Watch

_TOKENS = 32
_LETTERS = 300
"""Letters of a caption that are read: more than fill `_TOKENS`, and a word of a million letters costs no more."""
_WARM_UP = 0.1
_WEIGHT_DECAY = 0.05
_LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Curve:
    """How a training went: the loss of every step, the pictures seen, and the seconds it took."""

    losses: tuple[float, ...]
    images: int
    seconds: float


def train(
    model: TwoTowers, tokenizer: SimpleTokenizer, batches: Iterator[Batch], settings: PretrainSettings, watch: Watch
) -> Curve:
    """Train for `steps` or `seconds`, whichever ends first; CurateError when the loss is not finite."""
    device = model.scale.device
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=_WEIGHT_DECAY, betas=(0.9, 0.98), fused=True)
    began, losses, images = time.monotonic(), list[float](), 0
    model.train()
    for step in range(settings.steps):
        batch = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings.steps, settings.learning_rate)
        tokens = tokenizer([caption[:_LETTERS] for caption in batch.captions], _TOKENS)
        losses.append(_step(model, optimizer, torch.from_numpy(batch.pixels).to(device), tokens.to(device)))
        images += len(batch.keys)
        seconds = time.monotonic() - began
        if not math.isfinite(losses[-1]):
            raise CurateError(_diverged(step, losses, batch, settings))
        watch(Progress("pretrain", step + 1, settings.steps, images, seconds, unit="steps"))
        if settings.seconds is not None and seconds >= settings.seconds:
            break
    watch(Progress("pretrain", len(losses), len(losses), images, seconds, ended=True, unit="steps"))
    return Curve(tuple(losses), images, seconds)


def learning_rate(step: int, steps: int, peak: float) -> float:
    """The rate of a step, counted from 0: linear up to `peak` in the first tenth, then half a cosine down to 0."""
    warm = max(1, round(steps * _WARM_UP))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _step(model: TwoTowers, optimizer: torch.optim.Optimizer, pixels: torch.Tensor, tokens: torch.Tensor) -> float:
    """One step down the gradient; the loss before it. Matrices are multiplied in bf16 on a GPU."""
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=pixels.is_cuda):
        pictures, captions, scale = model(pixels, tokens)
    loss: torch.Tensor = ClipLoss()(pictures, captions, scale)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), _LARGEST_GRADIENT)
    optimizer.step()
    return float(loss.item())


def _diverged(step: int, losses: list[float], batch: Batch, settings: PretrainSettings) -> str:
    before = f"after {losses[-2]:.3f}" if len(losses) > 1 else "from the start"
    return (
        f"pretrain: the loss is {losses[-1]} at step {step + 1} of {settings.steps}, {before}; the batch begins with "
        f"`{batch.keys[0]}`. Lower `pretrain.learning_rate`, which is {settings.learning_rate}."
    )
