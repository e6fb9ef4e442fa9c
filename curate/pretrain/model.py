"""The model: a plain ViT for the pictures, a bag of words for the captions, one space for both."""

from __future__ import annotations

import math

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from curate.pretrain.settings import PretrainSettings

_TEMPERATURE = 0.07
"""Where CLIP's softmax temperature starts; it is learned."""


class TwoTowers(nn.Module):  # type: ignore[misc]  # torch is not typed for us
    """Pictures and captions to unit vectors, (B, width) float32 each, and the scale of their cosines."""

    def __init__(self, settings: PretrainSettings, vocabulary: int) -> None:
        super().__init__()
        width = settings.width
        self.vit = VisionTransformer(
            img_size=settings.image_size,
            patch_size=settings.patch,
            embed_dim=width,
            depth=settings.depth,
            num_heads=settings.heads,
            num_classes=0,
            global_pool="avg",
            class_token=False,
        )
        # A bag of words is enough for a check of the pictures, and costs nothing beside the ViT.
        self.words = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=0)
        self.of_picture = nn.Linear(width, width, bias=False)
        self.of_words = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width, bias=False))
        self.scale = nn.Parameter(torch.tensor(math.log(1 / _TEMPERATURE)))

    def forward(self, pixels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, S, S, 3) uint8 and (B, T) int64 -> both sides' vectors, and the scale (at most 100, as in CLIP)."""
        pictures = self.of_picture(features(self.vit, pixels))
        captions = self.of_words(self.words(tokens))
        unit = (functional.normalize(side.float(), dim=-1) for side in (pictures, captions))
        return next(unit), next(unit), self.scale.exp().clamp(max=100)


def features(vit: VisionTransformer, pixels: Tensor) -> Tensor:
    """What the probe looks at, the mean of the last tokens: (B, S, S, 3) uint8 -> (B, width)."""
    centred = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    out: Tensor = vit(centred)
    return out
