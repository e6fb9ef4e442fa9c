"""All that a training needs to go on where it was: weights, optimizer, running average, and its curve so far."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from timm.optim import param_groups_weight_decay
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from curate.errors import CurateError, DigestError
from curate.pretrain.settings import PretrainSettings
from curate.store import Store


@dataclass
class Curve:
    """How a training went, step by step: loss, learning rate, length of the gradient, and seconds waited for data.

    `seconds` and `images` are those of all its sittings together.
    """

    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    gradients: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    images: int = 0
    seconds: float = 0.0


class State:
    """A model in training. `recipe` is a digest of what decides its weights: clean shards and settings."""

    def __init__(self, model: nn.Module, settings: PretrainSettings, recipe: str) -> None:
        self.model, self.recipe, self.curve, self._settings = model, recipe, Curve(), settings
        self._file = file_of(settings.seed)
        groups = param_groups_weight_decay(model, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)
        average = get_ema_multi_avg_fn(settings.ema)
        self.average = AveragedModel(model, multi_avg_fn=average) if settings.ema else None

    @property
    def step(self) -> int:
        """Steps done."""
        return len(self.curve.losses)

    @property
    def kept(self) -> nn.Module:
        """The weights to be judged: the running average if there is one."""
        return self.model if self.average is None else self.average.module

    def save(self, store: Store) -> None:
        """Write it whole, or not at all."""
        file = io.BytesIO()
        torch.save(
            {**self._dicts(), "recipe": self.recipe, "curve": asdict(self.curve), "of": self._settings.steps}, file
        )
        store.write_bytes(file.getvalue(), *self._file)

    def resume(self, store: Store) -> None:
        """Go on from what is saved, if anything is.

        CurateError when that is an unfinished training of other settings or other shards; a finished one gives way.
        """
        saved = read(store, self._settings.seed)
        if saved is None:
            return
        done = len(saved["curve"]["losses"])
        if saved["recipe"] != self.recipe:
            if done >= saved["of"]:
                return
            raise CurateError(
                f"{store.path(*self._file)}: {done} of {saved['of']} steps were trained with other settings or on "
                "other clean shards than these; take those again to go on, or delete the file to begin anew"
            )
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(saved["average"])
        self.curve = Curve(**saved["curve"])

    def _dicts(self) -> dict[str, Any]:
        average = {} if self.average is None else self.average.state_dict()
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "average": average}


def file_of(seed: int) -> tuple[str, str]:
    """Where in a store the state of the training from a seed is."""
    return ("pretrain", f"state-{seed}.pt")


def read(store: Store, seed: int) -> dict[str, Any] | None:
    """What is saved of the training from a seed, without running code from the file; None when nothing is."""
    file = file_of(seed)
    try:
        data = store.fs.cat_file(store.path(*file))
    except FileNotFoundError:
        return None
    try:
        saved: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no one error for a broken file
        raise DigestError(
            f"{store.path(*file)}: cannot be read ({type(error).__name__}); delete it to begin anew"
        ) from None
    return saved
