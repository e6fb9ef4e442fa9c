"""The loss: InfoNCE within a batch, both ways, and against a memory of originals seen before.

The memory (cross-batch memory, Wang et al. 2020) is what makes negatives hard: of 8,192 pictures some look like any
other. Tiles cut from one picture are never negatives.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


class Memory:
    """Vectors of the last originals and the numbers of their pictures: (M, dim) float32 and (M,) int64, oldest first."""

    def __init__(self, size: int, dim: int, device: str = "cpu") -> None:
        self.size = size
        self.vectors = torch.zeros(0, dim, device=device)
        self.picture = torch.zeros(0, dtype=torch.int64, device=device)

    def add(self, vectors: Tensor, picture: Tensor) -> None:
        """Remember (B, dim) vectors of pictures (B,), and forget the oldest above `size`."""
        self.vectors = torch.cat([self.vectors, vectors.detach()])[-self.size :] if self.size else self.vectors
        self.picture = torch.cat([self.picture, picture])[-self.size :] if self.size else self.picture


def loss(vectors: Tensor, picture: Tensor, temperature: float, memory: Memory | None = None) -> tuple[Tensor, float]:
    """(2B, dim) originals then copies, (B,) numbers of their pictures -> the loss, and the share of hits.

    Each of the 2B is to tell its partner from all others of the batch, originals and copies, and from the memory. A hit
    is a copy that is nearer to its original than to any of them.
    """
    size = len(picture)
    both = torch.cat([picture, picture])
    partner = (vectors[:size] * vectors[size:]).sum(dim=1).repeat(2)
    known, shown = (vectors, both) if memory is None else (
        torch.cat([vectors, memory.vectors]),
        torch.cat([both, memory.picture]),
    )
    others = (vectors @ known.T).masked_fill(both[:, None] == shown[None], -2.0)
    logits = torch.cat([partner[:, None], others], dim=1) / temperature
    first = torch.zeros(2 * size, dtype=torch.int64, device=vectors.device)
    hit = (partner[size:] > others[size:].max(dim=1).values).float().mean().item()
    return functional.cross_entropy(logits, first), hit
