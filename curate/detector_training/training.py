"""Train the detector: contrastive learning where the positives are edits and the negatives are other pictures.

Loss: InfoNCE (as in SimCLR) of each original against its edited copy and all other pictures of the batch. Tiles cut
from one picture are never negatives. The weights that are kept are a running average.

A memory of originals of earlier steps as negatives (cross-batch memory) was tried and made it worse: on a CPU there are
few steps, weights move far in each, and all vectors flee what is remembered of them together, to a cosine of .97.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from curate.detector.model import Detector, Shape
from curate.detector_training.augment import lightly, strongly
from curate.detector_training.loss import loss
from curate.detector_training.recipe import Recipe
from curate.detector_training.state import State
from curate.detector_training.tiles import Tiles

LOG = "log.jsonl"
_LOG_EVERY = 10
_CPU: Any = getattr(torch.cpu, "get_capabilities", dict)()
_CPU_HAS_BF16 = bool(_CPU.get("avx512_bf16"))
"""There bfloat16 takes half the time; elsewhere it is emulated, in many times it. Old versions of torch do not tell."""


class _Pairs(Dataset):  # type: ignore[misc]  # torch is not typed for us
    """Item i is a random tile lightly and strongly edited; i alone decides which tile and which edits."""

    def __init__(self, tiles: Tiles, recipe: Recipe, start: int) -> None:
        self.tiles, self.recipe, self.start = tiles, recipe, start

    def __len__(self) -> int:
        return (self.recipe.steps - self.start) * self.recipe.batch

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        rng = np.random.default_rng([self.recipe.seed, self.start * self.recipe.batch + index])
        pixels, picture = self.tiles
        which, other = rng.integers(0, len(picture), 2)
        edited = strongly(pixels[which], pixels[other], rng)
        return _tensor(lightly(pixels[which], rng)), _tensor(edited), int(picture[which])


def _tensor(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels))[None]


def train(
    tiles: Tiles, shape: Shape, recipe: Recipe, out: Path, device: str = "cpu", start: Detector | None = None
) -> Detector:
    """Train from `out/checkpoint.pt` on, else from `start` -> the detector of averaged weights; bf16 where it is quick.

    On the CPU an interrupted training that goes on ends with the same weights, bit for bit, as one that was not.
    """
    out.mkdir(parents=True, exist_ok=True)
    state = State(shape, recipe, device)
    if start:
        state.begin(start)
    state.resume(out, device)
    began = time.monotonic()
    for light, strong, picture in _batches(tiles, recipe, state.step):
        value, hit = _learn(state, torch.cat([light, strong]), picture.to(device), recipe, device)
        if state.step % recipe.save_every == 0 or state.step == recipe.steps:
            state.save(out)
        if state.step % _LOG_EVERY == 0:
            done = {"step": state.step, "loss": round(value, 4), "hit": round(hit, 4)}
            _write(out, done | {"seconds": round(time.monotonic() - began, 1)})
    average: Detector = state.average.eval()
    return average


def _batches(tiles: Tiles, recipe: Recipe, start: int) -> DataLoader:
    pairs = _Pairs(tiles, recipe, start)
    workers = recipe.workers if len(pairs) else 0
    return DataLoader(pairs, batch_size=recipe.batch, num_workers=workers, persistent_workers=workers > 0)


def _learn(state: State, pixels: Tensor, picture: Tensor, recipe: Recipe, device: str) -> tuple[float, float]:
    """One step on (2B, 1, 112, 112) uint8 -> the loss, and the share of copies nearest to their own original."""
    for group in state.optimizer.param_groups:
        group["lr"] = recipe.rate * _pace(state.step, recipe)
    kind = torch.device(device).type
    with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda" or _CPU_HAS_BF16):
        vectors = state.model(pixels.to(device, non_blocking=True).float()).float()
    value, hit = loss(vectors, picture, recipe.temperature)
    state.optimizer.zero_grad(set_to_none=True)
    value.backward()
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimizer.step()
    state.step += 1
    state.blend(min(recipe.average, state.step / (state.step + 9)))
    return value.item(), hit


def _pace(step: int, recipe: Recipe) -> float:
    """Share of the learning rate: linear warm-up, then a cosine to 2 %."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * min(1.0, done))))


def _write(out: Path, row: dict[str, float]) -> None:
    with (out / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
