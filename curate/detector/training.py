"""Train the detector: contrastive learning where the positives are edits and the negatives are other pictures.

Loss: InfoNCE (temperature 0.06) of each original against its edited copy, all other pictures of the batch and a queue of
pictures of earlier batches, plus the entropy term of SSCD (Pizzi et al. 2022): every vector is pushed from its nearest
neighbour, so lookalikes part and one threshold serves all pictures. Tiles cut from one picture are never negatives.
"""

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from curate.detector.augment import lightly, strongly
from curate.detector.model import Detector, Shape
from curate.detector.tiles import Tiles

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How to train: `batch` pictures a step, each once as it is and once edited; `queue` pictures remembered."""

    steps: int = 2500
    batch: int = 128
    rate: float = 1.5e-3
    warmup: int = 100
    weight_decay: float = 0.05
    temperature: float = 0.06
    entropy: float = 0.1
    queue: int = 4096
    average: float = 0.998
    save_every: int = 100
    workers: int = 1
    seed: int = 0


class _Pairs(Dataset[tuple[Tensor, Tensor, int]]):
    """Endless: item i is a random tile lightly and strongly edited; i alone decides which tile and which edits."""

    def __init__(self, tiles: Tiles, recipe: Recipe, start: int):
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
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def train(tiles: Tiles, shape: Shape, recipe: Recipe, out: Path, device: str = "cpu") -> Detector:
    """Train from `out/checkpoint.pt` on if it is there; return the detector of averaged weights."""
    torch.manual_seed(recipe.seed)
    model, average = Detector(shape).to(device), Detector(shape).to(device)
    average.load_state_dict(model.state_dict())
    optimizer = torch.optim.AdamW(_groups(model, recipe), lr=recipe.rate, betas=(0.9, 0.98))
    queue = _Queue(recipe.queue, shape.dim, device)
    start = _resumed(out, model, average, optimizer, queue, device)
    loader = DataLoader(
        _Pairs(tiles, recipe, start),
        batch_size=recipe.batch,
        num_workers=recipe.workers,
        persistent_workers=recipe.workers > 0,
    )
    began = time.monotonic()
    for step, (light, strong, picture) in enumerate(loader, start):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * _pace(step, recipe)
        pixels = torch.cat([light, strong]).to(device, non_blocking=True).float()
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            vectors = model(pixels)
        loss, hit = _loss(vectors.float(), picture.to(device), queue, recipe)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        queue.push(vectors.detach().float()[: len(picture)], picture.to(device))
        _blend(average, model, min(recipe.average, (step + 1) / (step + 10)))
        if (step + 1) % recipe.save_every == 0 or step + 1 == recipe.steps:
            _save(out, step + 1, model, average, optimizer, queue)
        if (step + 1) % 20 == 0:
            done = {"step": step + 1, "loss": round(loss.item(), 4), "hit": round(hit, 4)}
            _write(out, done | {"seconds": round(time.monotonic() - began, 1)})
    return average.eval()


class _Queue:
    """The vectors of the last `size` originals, as negatives, with the numbers of their pictures."""

    def __init__(self, size: int, dim: int, device: str):
        self.vectors = torch.zeros(size, dim, device=device)
        self.picture = torch.full((size,), -1, device=device)

    def push(self, vectors: Tensor, picture: Tensor) -> None:
        self.vectors = torch.cat([vectors, self.vectors])[: len(self.picture)]
        self.picture = torch.cat([picture, self.picture])[: len(self.picture)]


def _loss(vectors: Tensor, picture: Tensor, queue: _Queue, recipe: Recipe) -> tuple[Tensor, float]:
    """(2B, dim) originals then copies -> the loss, and the share of copies nearest to their own original."""
    size = len(picture)
    light, strong = vectors[:size], vectors[size:]
    everything = torch.cat([light, strong, queue.vectors])
    numbers = torch.cat([picture, picture, queue.picture])
    similarity = vectors @ everything.T
    own = torch.arange(2 * size, device=vectors.device)
    same = torch.cat([picture, picture])[:, None] == numbers[None]
    empty = (numbers == -1)[None]
    negatives = similarity.masked_fill(same | empty, -2.0)
    positive = (light * strong).sum(dim=1).repeat(2)
    logits = torch.cat([positive[:, None], negatives], dim=1) / recipe.temperature
    contrast = F.cross_entropy(logits, torch.zeros_like(own))
    nearest = negatives.max(dim=1).values.clamp(max=1 - 1e-4)
    entropy = -torch.log((2 - 2 * nearest).sqrt()).mean()
    hit = (positive[size:] > negatives[size:].max(dim=1).values).float().mean().item()
    return contrast + recipe.entropy * entropy, hit


def _pace(step: int, recipe: Recipe) -> float:
    """Share of the learning rate: linear warm-up, then a cosine to 1 %."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + float(np.cos(np.pi * min(1.0, done))))


def _groups(model: Detector, recipe: Recipe) -> list[dict[str, object]]:
    """No weight decay on biases, norms and positions."""
    decayed = [p for name, p in model.named_parameters() if p.ndim >= 2 and name != "positions"]
    free = [p for name, p in model.named_parameters() if p.ndim < 2 or name == "positions"]
    return [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]


@torch.no_grad()
def _blend(average: Detector, model: Detector, keep: float) -> None:
    for old, new in zip(average.parameters(), model.parameters(), strict=True):
        old.lerp_(new, 1 - keep)


def _save(out: Path, step: int, model: Detector, average: Detector, optimizer: torch.optim.Optimizer, queue: _Queue) -> None:
    state = {"step": step, "model": model.state_dict(), "average": average.state_dict(), "shape": asdict(model.shape)}
    state |= {"optimizer": optimizer.state_dict(), "queue": queue.vectors, "picture": queue.picture}
    draft = out / "checkpoint.draft"
    torch.save(state, draft)
    draft.replace(out / "checkpoint.pt")


def _resumed(
    out: Path, model: Detector, average: Detector, optimizer: torch.optim.Optimizer, queue: _Queue, device: str
) -> int:
    """The step to go on from: 0 with no checkpoint."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "checkpoint.pt").exists():
        return 0
    state = torch.load(out / "checkpoint.pt", map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    optimizer.load_state_dict(state["optimizer"])
    queue.vectors, queue.picture = state["queue"], state["picture"]
    log.info("going on from step %d", state["step"])
    return int(state["step"])


def _write(out: Path, row: dict[str, object]) -> None:
    with (out / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
