"""Fine-tuning as VTAB-1k has it: 800 images to train, 200 to choose the learning rate, all others to test."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.nn import functional

from curate.pretrain.checkpoint import Checkpoint
from curate.pretrain.model import features
from curate.pretrain.probe import estimate
from curate.pretrain.result import Probe

Pixels = NDArray[np.uint8]
Y = NDArray[np.int64]

_USED, _TRAINED = 1000, 0.8
_RATES = (1e-3, 1e-4)
_BATCH = 64


class Given(NamedTuple):
    """Labelled pictures, (N, S, S, 3) uint8 with classes (N,) from 0, and how many steps to train on them."""

    pixels: Pixels
    y: Y
    steps: int


def probe(name: str, opened: Checkpoint, pictures: Iterator[tuple[str, Pixels]]) -> list[Probe]:
    """Accuracy of the fine-tuned net, from random weights and from the trained ones; none where classes are too few.

    Of a benchmark of less than 2,000 images, half are used instead of 1,000; four fifths of them train.
    """
    labels, pixels = zip(*pictures, strict=True)
    classes = sorted(set(labels))
    if len(classes) < 2 or len(labels) < 20:
        return []
    known = {label: at for at, label in enumerate(classes)}
    given = Given(np.stack(pixels), np.array([known[label] for label in labels]), opened.settings.finetune_steps)
    nets = {"untrained": opened.before, "trained": opened.net.vit}
    count = opened.settings.probe_seeds
    seeds = range(opened.settings.seed * count, (opened.settings.seed + 1) * count)
    scores = {net: [tuned(vit, given, seed) for seed in seeds] for net, vit in nets.items()}
    gain = estimate([b - a for a, b in zip(scores["untrained"], scores["trained"], strict=True)], least=-1)
    used = min(_USED, len(labels) // 2)
    by_net = {net: estimate(each) for net, each in scores.items()}
    method = f"fine-tuned on {used}"
    return [Probe(name, method, len(classes), len(labels) - used, count, 1 / len(classes), by_net, gain)]


def tuned(vit: VisionTransformer, given: Given, seed: int) -> float:
    """Accuracy on the test images after training on 800 + 200, at the rate that was best on the 200."""
    order = np.random.default_rng(seed).permutation(len(given.y))
    used = order[: min(_USED, len(order) // 2)]
    train, check = np.split(used, [round(_TRAINED * len(used))])
    rates = {rate: _accuracy(_trained(vit, given, train, rate, seed), given, check) for rate in _RATES}
    best = max(rates, key=lambda rate: rates[rate])
    return _accuracy(_trained(vit, given, used, best, seed), given, order[len(used) :])


class _Net(nn.Module):  # type: ignore[misc]  # torch is not typed for us
    def __init__(self, vit: VisionTransformer, classes: int) -> None:
        super().__init__()
        self.vit, self.head = copy.deepcopy(vit), nn.Linear(vit.embed_dim, classes)
        nn.init.zeros_(self.head.weight)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(features(self.vit, pixels))
        return scores


def _trained(vit: VisionTransformer, given: Given, rows: Y, rate: float, seed: int) -> nn.Module:
    """All weights trained by AdamW, the rate falling to 0 in a line; half of the pictures mirrored."""
    device, rng = vit.pos_embed.device, np.random.default_rng(seed)
    net = _Net(vit, int(given.y.max()) + 1).to(device).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
    for step in range(given.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / given.steps)
        chosen = rng.choice(rows, min(_BATCH, len(rows)), replace=False)
        pixels = np.where(
            rng.random(len(chosen))[:, None, None, None] < 0.5, given.pixels[chosen, :, ::-1], given.pixels[chosen]
        )
        scores = net(torch.from_numpy(pixels).to(device))
        loss = functional.cross_entropy(scores.float(), torch.from_numpy(given.y[chosen]).to(device))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    return net.eval()


def _accuracy(net: nn.Module, given: Given, rows: Y) -> float:
    device = next(net.parameters()).device
    with torch.inference_mode():
        parts = torch.from_numpy(given.pixels[rows]).split(4 * _BATCH)
        said = torch.cat([net(part.to(device)).argmax(dim=1).cpu() for part in parts]).numpy()
    return float((said == given.y[rows]).mean())
