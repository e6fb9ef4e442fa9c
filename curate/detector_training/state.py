"""All that a training is between two steps: made, saved, and gone on from."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from curate.detector.model import Detector, Shape
from curate.detector_training.recipe import Recipe
from curate.errors import SourceError

CHECKPOINT = "checkpoint.pt"
log = logging.getLogger(__name__)


class State:
    """The model that learns, its running `average` (the one to keep), the optimizer, and the `step`."""

    def __init__(self, shape: Shape, recipe: Recipe, device: str) -> None:
        torch.manual_seed(recipe.seed)
        self.step = 0
        self.model, self.average = Detector(shape).to(device), Detector(shape).to(device)
        self.average.load_state_dict(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(_groups(self.model, recipe), lr=recipe.rate, betas=(0.9, 0.98))

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def begin(self, start: Detector) -> None:
        """Take over the weights of a detector with as many layers or fewer; layers above its own change nothing yet."""
        mine, depth = self.model.shape, start.shape.depth
        if replace(mine, depth=depth) != start.shape or depth > mine.depth:
            raise SourceError(f"cannot begin {mine} with weights of {start.shape}: only depth may be less")
        for block in self.model.blocks[depth:]:
            for last in (block.attn.proj, block.mlp.fc2):
                last.weight.zero_()
                last.bias.zero_()
        self.model.load_state_dict(start.state_dict(), strict=False)
        self.average.load_state_dict(self.model.state_dict())

    def save(self, out: Path) -> None:
        """Write `out/checkpoint.pt`, whole or not at all."""
        state = {"step": self.step, "model": self.model.state_dict(), "average": self.average.state_dict()}
        state |= {"shape": asdict(self.model.shape), "optimizer": self.optimizer.state_dict()}
        draft = out / "checkpoint.draft"
        torch.save(state, draft)
        draft.replace(out / CHECKPOINT)

    def resume(self, out: Path, device: str) -> None:
        """Go on from `out/checkpoint.pt`, if it is there."""
        if not (out / CHECKPOINT).exists():
            return
        with _blamed(out / CHECKPOINT):
            state = torch.load(out / CHECKPOINT, map_location=device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = int(state["step"])
        log.info("going on from step %d", self.step)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def blend(self, keep: float) -> None:
        """Move the average towards the model: it keeps the share `keep` of what it was."""
        for old, new in zip(self.average.parameters(), self.model.parameters(), strict=True):
            old.lerp_(new, 1 - keep)


def averaged(out: Path) -> tuple[Detector, int]:
    """Read the averaged weights of `out/checkpoint.pt`, and the step they were made at."""
    with _blamed(out / CHECKPOINT):
        state = torch.load(out / CHECKPOINT, map_location="cpu", weights_only=True)
        detector = Detector(Shape(**state["shape"]))
        detector.load_state_dict(state["average"])
        return detector.requires_grad_(False).eval(), int(state["step"])


@contextmanager
def _blamed(path: Path) -> Iterator[None]:
    """Whatever fails within is the fault of this checkpoint."""
    try:
        yield
    except Exception as error:  # a missing file, a broken zip, a pickle that wants more than tensors, another shape
        said = " ".join(str(error).split())[:300]
        raise SourceError(f"{path}: no checkpoint of this training: {type(error).__name__}: {said}") from None


def _groups(model: Detector, recipe: Recipe) -> list[dict[str, Any]]:
    """No weight decay on biases, norms and positions."""
    decayed = [p for name, p in model.named_parameters() if p.ndim >= 2 and name != "positions"]
    free = [p for name, p in model.named_parameters() if p.ndim < 2 or name == "positions"]
    return [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": free, "weight_decay": 0.0}]
