"""The loss: InfoNCE with a queue, and the entropy term of SSCD. Tiles cut from one picture are never negatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from curate.detector_training.recipe import Recipe


class Queue:
    """The vectors of the last `size` originals, as negatives, with the numbers of their pictures."""

    def __init__(self, size: int, dim: int, device: str) -> None:
        self.vectors = torch.zeros(size, dim, device=device)
        self.picture = torch.full((size,), -1, device=device)

    def push(self, vectors: Tensor, picture: Tensor) -> None:
        """Put (B, dim) float32 and (B,) int64 first; the oldest fall off."""
        self.vectors = torch.cat([vectors, self.vectors])[: len(self.picture)]
        self.picture = torch.cat([picture, self.picture])[: len(self.picture)]


def loss(vectors: Tensor, picture: Tensor, queue: Queue, recipe: Recipe) -> tuple[Tensor, float]:
    """(2B, dim) originals then copies -> the loss, and the share of copies nearest to their own original."""
    size = len(picture)
    light, strong = vectors[:size], vectors[size:]
    everything = torch.cat([light, strong, queue.vectors])
    numbers = torch.cat([picture, picture, queue.picture])
    similarity = vectors @ everything.T
    same = torch.cat([picture, picture])[:, None] == numbers[None]
    empty = (numbers == -1)[None]
    negatives = similarity.masked_fill(same | empty, -2.0)
    positive = (light * strong).sum(dim=1).repeat(2)
    logits = torch.cat([positive[:, None], negatives], dim=1) / recipe.temperature
    first = torch.zeros(2 * size, dtype=torch.int64, device=vectors.device)
    contrast = functional.cross_entropy(logits, first)
    nearest = negatives.max(dim=1).values.clamp(max=1 - 1e-4)
    entropy = -torch.log((2 - 2 * nearest).sqrt()).mean()
    hit = (positive[size:] > negatives[size:].max(dim=1).values).float().mean().item()
    return contrast + recipe.entropy * entropy, hit
