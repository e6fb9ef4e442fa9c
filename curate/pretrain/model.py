"""The model: timm's ViT in the published sizes, and the towers and heads that it is trained with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from timm.layers import LayerNorm2d, build_sincos2d_pos_embed
from timm.layers.hybrid_embed import HybridEmbed
from timm.models.vision_transformer import VisionTransformer
from timm.models.vision_transformer_hybrid import ConvStem
from torch import Tensor, nn
from torch.nn import functional

from curate.pretrain.settings import PretrainSettings


class Size(NamedTuple):
    """Width of a token, blocks, width of their MLPs, attention heads."""

    width: int
    depth: int
    mlp: int
    heads: int


SIZES = {
    "mu": Size(32, 1, 128, 2),
    "xs": Size(128, 4, 512, 4),
    "Ti": Size(192, 12, 768, 3),
    "S": Size(384, 12, 1536, 6),
    "B": Size(768, 12, 3072, 12),
    "L": Size(1024, 24, 4096, 16),
    "H": Size(1280, 32, 5120, 16),
}
"""As in the ViT paper and big_vision; xs is ours, for two cores."""

_TEMPERATURE = {"contrastive": 0.07, "sigmoid": 0.1}
"""Where the temperature starts, as in CLIP and SigLIP; it is learned."""
_SIGMOID_BIAS = -10.0
_CHANNELS = 32
"""Of the stem's first convolution; each further one has twice as many, until the width."""


def vit(settings: PretrainSettings) -> VisionTransformer:
    """A ViT as `settings` say, with random weights: (B, 3, S, S) float -> (B, width)."""
    size, has_token, is_hybrid = SIZES[settings.model], settings.pool == "token", settings.stem == "conv"
    made = VisionTransformer(
        img_size=settings.image_size,
        patch_size=1 if is_hybrid else settings.patch,  # the stem has cut the patches already
        embed_dim=size.width,
        depth=size.depth,
        num_heads=size.heads,
        mlp_ratio=size.mlp / size.width,
        num_classes=0,
        global_pool=settings.pool,
        class_token=has_token,
        **({"embed_layer": _stem(settings.patch, size.width)} if is_hybrid else {}),
    )
    if settings.position == "sincos2d":
        grid = build_sincos2d_pos_embed(made.patch_embed.grid_size, size.width)
        made.pos_embed.requires_grad_(False)
        made.pos_embed.copy_(torch.cat([torch.zeros(int(has_token), size.width), grid])[None])
    return made


def _stem(patch: int, width: int) -> partial[HybridEmbed]:
    """3x3 convolutions of stride 2 until a patch is one pixel. No batch norm: it would tell samples of each other."""
    halvings = int(math.log2(patch))
    channels = (*(min(width, _CHANNELS * 2**i) for i in range(halvings - 1)), width)
    stem = ConvStem(depth=halvings, channels=channels, stride=(2,) * halvings, norm_layer=LayerNorm2d)
    return partial(HybridEmbed, backbone=stem, proj=False)


def features(net: nn.Module, pixels: Tensor) -> Tensor:
    """What the probes look at: (B, S, S, 3) uint8 -> (B, width)."""
    centred = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    out: Tensor = net(centred)
    return out


def resize(net: VisionTransformer, side: int) -> VisionTransformer:
    """The same ViT for pictures of `side` px: its position embeddings are interpolated, bicubic, in place."""
    net.set_input_size(img_size=side)
    return net


def attentions(net: VisionTransformer, pixels: Tensor) -> Iterator[Tensor]:
    """The attention of every block: (B, S, S, 3) uint8 -> depth times (B, heads, T, T), rows sum to 1."""
    x = net.norm_pre(net._pos_embed(net.patch_embed(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)))
    for block in net.blocks:
        attention = block.attn
        qkv = attention.qkv(block.norm1(x)).unflatten(-1, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = attention.q_norm(qkv[0]), attention.k_norm(qkv[1])
        yield (q @ k.transpose(-2, -1) * attention.scale).softmax(dim=-1)
        x = block(x)


class TwoTowers(nn.Module):  # type: ignore[misc]  # torch is not typed for us
    """Pictures and captions to unit vectors, (B, width) float32 each, and the scale and bias of their cosines."""

    def __init__(self, settings: PretrainSettings, vocabulary: int) -> None:
        super().__init__()
        width = SIZES[settings.model].width
        self.vit = vit(settings)
        # A bag of words is enough for a check of the pictures, and costs nothing beside the ViT.
        self.words = nn.EmbeddingBag(vocabulary, width, mode="mean", padding_idx=0)
        self.of_picture = nn.Linear(width, width, bias=False)
        self.of_words = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width, bias=False))
        self.scale = nn.Parameter(torch.tensor(math.log(1 / _TEMPERATURE[settings.objective])))
        self.bias = nn.Parameter(torch.tensor(_SIGMOID_BIAS)) if settings.objective == "sigmoid" else None

    def forward(self, pixels: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """(B, S, S, 3) uint8 and (B, T) int64 -> both sides' vectors, the scale (at most 100, as in CLIP), the bias."""
        pictures = functional.normalize(self.of_picture(features(self.vit, pixels)).float(), dim=-1)
        return pictures, self.say(tokens), self.scale.exp().clamp(max=100), self.bias

    def say(self, tokens: Tensor) -> Tensor:
        """Captions, (B, T) int64 -> unit vectors (B, width) float32."""
        return functional.normalize(self.of_words(self.words(tokens)).float(), dim=-1)


class Classifier(nn.Module):  # type: ignore[misc]
    """Pictures to one score a class: (B, S, S, 3) uint8 -> (B, C) float32."""

    def __init__(self, settings: PretrainSettings, classes: int) -> None:
        super().__init__()
        self.vit = vit(settings)
        self.head = nn.Linear(SIZES[settings.model].width, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        """The scores, before any softmax or sigmoid."""
        out: Tensor = self.head(features(self.vit, pixels))
        return out.float()
