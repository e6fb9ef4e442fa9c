"""The copy-detection ViT: a small vision transformer with a convolutional stem, asked whether this is a copy of that.

The stem (as in "Early Convolutions Help Transformers See Better", Xiao et al. 2021) brings 112 x 112 pixels to 7 x 7
tokens, so a transformer of a few layers is enough and learns in hours, not weeks. There is no batch normalisation:
through its statistics a network can tell which pictures came in one batch, and so "find" the copies of a training pair
without looking at them (seen by the authors of CLIP's duplicate detector).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional

_TOKENS = 49


@dataclass(frozen=True)
class Shape:
    """Sizes of a detector: `width` of a token, `depth` in layers, `heads`, and `dim`, the length of its vectors."""

    width: int = 192
    depth: int = 4
    heads: int = 3
    dim: int = 256


class Detector(nn.Module):  # type: ignore[misc]  # torch is not typed for us
    """(N, 3, 112, 112) float32 of 0..255 -> (N, dim) float32 of length one: copies near each other, all else apart."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or Shape()
        self.stem = _stem(shape.width)
        self.positions = nn.Parameter(torch.randn(1, _TOKENS, shape.width) * 0.02)
        self.blocks = nn.Sequential(*(Block(shape.width, shape.heads, qkv_bias=True) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(shape.width)
        self.project = nn.Linear(shape.width, shape.dim)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, 112, 112) float32 of 0..255 -> (N, dim) float32, unit length."""
        tokens = self.stem(pixels / 127.5 - 1.0).flatten(2).transpose(1, 2) + self.positions
        tokens = self.norm(self.blocks(tokens))
        return functional.normalize(self.project(tokens.mean(dim=1)), dim=1)


class OfPictures(nn.Module):  # type: ignore[misc]
    """A detector that takes pictures as they lie in memory: (N, 112, 112, 3) uint8 -> (N, dim) float32."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 112, 112, 3) uint8 -> (N, dim) float32, unit length."""
        return self.detector(pictures.permute(0, 3, 1, 2).float())


def _stem(width: int) -> nn.Sequential:
    """Four convolutions of stride 2: 112 -> 56 -> 28 -> 14 -> 7 pixels a side, 3 -> `width` channels."""
    layers: list[nn.Module] = []
    for inside, outside in pairwise((3, width // 8, width // 4, width // 2, width)):
        layers += [nn.Conv2d(inside, outside, 3, 2, 1, bias=False), nn.GroupNorm(1, outside), nn.GELU()]
    return nn.Sequential(*layers[:-2], nn.Conv2d(width, width, 1))
