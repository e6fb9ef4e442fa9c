"""The loss: InfoNCE within a batch, both ways. Tiles cut from one picture are never negatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def loss(vectors: Tensor, picture: Tensor, temperature: float) -> tuple[Tensor, float]:
    """(2B, dim) originals then copies, (B,) numbers of their pictures -> the loss, and the share of hits.

    Each of the 2B is to tell its partner from all others of the batch, originals and copies. A hit is a copy that is
    nearer to its original than to any of them.
    """
    size = len(picture)
    both = torch.cat([picture, picture])
    similarity = vectors @ vectors.T
    partner = (vectors[:size] * vectors[size:]).sum(dim=1).repeat(2)
    others = similarity.masked_fill(both[:, None] == both[None], -2.0)
    logits = torch.cat([partner[:, None], others], dim=1) / temperature
    first = torch.zeros(2 * size, dtype=torch.int64, device=vectors.device)
    hit = (partner[size:] > others[size:].max(dim=1).values).float().mean().item()
    return functional.cross_entropy(logits, first), hit
