"""The copy-detection ViT: a small vision transformer on gradient histograms, asked whether this is a copy of that.

A token is a square of 16 x 16 pixels: the strengths of its edges in eight directions, in 4 x 4 cells, as of old in HOG
and SIFT, and its grey at the same 16 places. What such histograms know of light and small shifts would else have to be
learned, from far more pictures and steps: convolutions in their place learned nothing of use in as many steps on a CPU.
Colour is not looked at: edits change it freely, and grey is decoded sooner.

There is no batch normalisation: through its statistics a network can tell which pictures came in one batch, and so
"find" the copies of a training pair without looking at them (seen by the authors of CLIP's duplicate detector).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional

_TOKENS = 49
_DIRECTIONS = 8
_CELL = 4
"""Pixels a side of a cell; a token has 4 x 4 of them."""
_FACTS = 16 * _DIRECTIONS + 16 + 1
"""Numbers that describe a token: edges, grey of each cell, mean grey."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a detector: `width` of a token, `depth` in layers, `heads`, and `dim`, the length of its vectors."""

    width: int = 192
    depth: int = 6
    heads: int = 3
    dim: int = 256


class Detector(nn.Module):  # type: ignore[misc]  # torch is not typed for us
    """(N, 1, 112, 112) float32 of 0..255 -> (N, dim) float32 of length one: copies near each other, all else apart."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape = shape or Shape()
        self.embed = nn.Linear(_FACTS, shape.width)
        self.positions = nn.Parameter(torch.randn(1, _TOKENS, shape.width) * 0.02)
        self.blocks = nn.Sequential(*(Block(shape.width, shape.heads, qkv_bias=True) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(shape.width)
        self.project = nn.Linear(shape.width, shape.dim)
        self.register_buffer("edges", _edges(), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 1, 112, 112) float32 of 0..255 -> (N, dim) float32, unit length."""
        tokens = self.embed(_described(pixels, self.edges)) + self.positions
        tokens = self.norm(self.blocks(tokens))
        return functional.normalize(self.project(tokens.mean(dim=1)), dim=1)


class OfPictures(nn.Module):  # type: ignore[misc]
    """A detector that takes pictures as they lie in memory: (N, 112, 112) uint8 -> (N, dim) float32."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, 112, 112) uint8 -> (N, dim) float32, unit length."""
        return self.detector(pictures[:, None].float())


def _described(pixels: Tensor, edges: Tensor) -> Tensor:
    """(N, 1, 112, 112) float32 of 0..255 -> (N, 49, 145): no weights; 0.01 and 0.05 keep flat places from noise."""
    grey = pixels / 64.0
    grey = grey - grey.mean(dim=(2, 3), keepdim=True)
    grey = grey / (grey.square().mean(dim=(2, 3), keepdim=True) + 0.01).sqrt()
    strengths = functional.avg_pool2d(functional.relu(functional.conv2d(grey, edges, padding=1)), _CELL)
    strengths = _tokens(strengths)
    strengths = (strengths / (strengths.norm(dim=2, keepdim=True) + 0.05)).sqrt()
    places = _tokens(functional.avg_pool2d(grey, _CELL))
    mean = places.mean(dim=2, keepdim=True)
    return torch.cat([strengths * 4, places - mean, mean], dim=2)


def _tokens(cells: Tensor) -> Tensor:
    """(N, C, 28, 28) of cells -> (N, 49, 16 C): each token has its 4 x 4 cells."""
    return functional.pixel_unshuffle(cells, 4).flatten(2).transpose(1, 2)


def _edges() -> Tensor:
    """Sobel's filter, turned to eight directions: (8, 1, 3, 3)."""
    angle = torch.arange(_DIRECTIONS) * math.pi / 4
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 8
    turned = torch.cos(angle)[:, None, None] * across + torch.sin(angle)[:, None, None] * across.T
    return turned[:, None]
