"""A trained net read back from its file, and a net's features."""

from __future__ import annotations

import json
from typing import NamedTuple

import fsspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from curate.config import parse
from curate.errors import SourceError
from curate.pretrain.model import features
from curate.pretrain.objectives import Objective, objective
from curate.pretrain.probe import Features
from curate.pretrain.settings import PretrainSettings

_BATCH = 64


class Checkpoint(NamedTuple):
    """A trained net with the settings and the objective that it was trained by, and the classes it tells, if any."""

    net: nn.Module
    before: VisionTransformer
    """Its ViT with random weights, those of its seed."""
    goal: Objective
    settings: PretrainSettings
    classes: list[str]


def read(url: str) -> Checkpoint:
    """Read a `checkpoint.safetensors` from a local path or an fsspec URL; SourceError when it is none of ours."""
    try:
        with fsspec.open(url, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise SourceError(f"{url}: no such file") from None
    try:
        weights = load(data)
        length = int.from_bytes(data[:8], "little")
        about = json.loads(data[8 : 8 + length])["__metadata__"]
        values, classes = json.loads(about["settings"]), json.loads(about["classes"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise SourceError(f"{url}: no checkpoint of `curate pretrain` ({type(error).__name__}: {error})") from None
    settings = parse(PretrainSettings, values, url)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        goal = objective(settings, len(classes))
        before, net = goal.model(), goal.model()
    net.load_state_dict(weights)
    return Checkpoint(net, before.vit, goal, settings, classes)


def frozen(net: VisionTransformer) -> Features:
    """A ViT's features, without gradients."""
    net.eval()
    device = net.pos_embed.device

    def see(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.inference_mode():
            parts = [features(net, part.to(device)) for part in torch.from_numpy(pixels).split(_BATCH)]
            return np.asarray(torch.cat(parts).double().cpu())

    return see
