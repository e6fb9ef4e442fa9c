"""What is learned: captions told apart by their pictures, or labels."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from curate.errors import CurateError
from curate.pretrain.augment import mixed
from curate.pretrain.data import Batch
from curate.pretrain.index import ALONE, World
from curate.pretrain.model import Classifier, TwoTowers
from curate.pretrain.settings import PretrainSettings

_TOKENS = 32
_LETTERS = 300
"""Letters of a caption that are read: more than fill `_TOKENS`, and a word of a million letters costs no more."""


class Objective(Protocol):
    """A model to train, and its loss on a batch."""

    def model(self) -> nn.Module:
        """A new model with random weights, its ViT under `vit`."""
        ...

    def tokens(self, captions: list[str]) -> Tensor:
        """Captions -> (B, T) int64; CurateError where no captions are learned from."""
        ...

    def __call__(self, net: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        """The loss, float32; of several workers, the mean of theirs is that of all their batches together."""
        ...


def objective(settings: PretrainSettings, classes: int, world: World = ALONE) -> Objective:
    """The objective that the settings ask for."""
    return Captions(settings, world) if settings.captions else Labels(settings, classes, world)


class Captions:
    """InfoNCE as in CLIP, or pairwise sigmoids as in SigLIP: each picture against all captions of all workers."""

    def __init__(self, settings: PretrainSettings, world: World = ALONE) -> None:
        from open_clip import loss  # here and below, since labels need no open_clip
        from open_clip.tokenizer import SimpleTokenizer

        self._settings, self._tokenizer = settings, SimpleTokenizer()
        among = {"rank": world.rank, "world_size": world.size}
        if settings.objective == "sigmoid":
            self._loss: Any = loss.SigLipLoss(**among, dist_impl="gather")
        else:
            self._loss = loss.ClipLoss(**among, local_loss=True, gather_with_grad=True)

    def model(self) -> nn.Module:
        return TwoTowers(self._settings, self._tokenizer.vocab_size)

    def __call__(self, net: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        pixels = torch.from_numpy(batch.pixels).to(device, non_blocking=True)
        pictures, captions, scale, bias = net(pixels, self.tokens(batch.captions).to(device))
        loss: Tensor = self._loss(pictures, captions, scale, bias)
        return loss

    def tokens(self, captions: list[str]) -> Tensor:
        """Captions -> (B, T) int64."""
        tokens: Tensor = self._tokenizer([caption[:_LETTERS] for caption in captions], _TOKENS)
        return tokens


class Labels:
    """Cross-entropy where an image has one label, one sigmoid a class where it has several."""

    def __init__(self, settings: PretrainSettings, classes: int, world: World = ALONE) -> None:
        self._settings, self._classes, self._world = settings, classes, world
        several = settings.objective == "labels"
        self._loss: Any = functional.binary_cross_entropy_with_logits if several else functional.cross_entropy

    def model(self) -> nn.Module:
        return Classifier(self._settings, self._classes)

    def __call__(self, net: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        rng = np.random.default_rng([self._settings.seed, batch.step, self._world.rank])
        pixels, targets = torch.from_numpy(batch.pixels), torch.from_numpy(batch.targets)
        pixels, targets = mixed(pixels, targets, self._settings.mixup, rng)
        loss: Tensor = self._loss(net(pixels.to(device, non_blocking=True)), targets.to(device))
        return loss

    def tokens(self, captions: list[str]) -> Tensor:
        raise CurateError(f"a net trained on labels reads no captions, such as {captions[0]!r}")
