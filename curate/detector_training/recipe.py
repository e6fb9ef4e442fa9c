"""How the detector is trained: one frozen record, and its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from curate.detector.model import Shape


@dataclass(frozen=True)
class Recipe:
    """How to train. The defaults are those of the detector that `curate` ships, but for its `start`: see its card."""

    start: str = ""
    """Weights to begin with: a file on the command line, its sha256 in facts and digest; none for weights at random."""
    steps: int = 1350
    batch: int = 192
    """Pictures a step, each once as it is and once edited."""
    rate: float = 8e-4
    """Learning rate of AdamW after the warm-up."""
    warmup: int = 50
    """Steps until the full rate."""
    weight_decay: float = 0.05
    temperature: float = 0.05
    average: float = 0.996
    """Share of the averaged weights that stays in a step."""
    save_every: int = 100
    """Steps between checkpoints."""
    workers: int = 1
    """Processes that edit pictures; 0 for none but this."""
    seed: int = 0


_HOW_NOT_WHAT = ("save_every", "workers")


def digest(shape: Shape, recipe: Recipe) -> str:
    """Digest of all that decides the weights, beside the pictures: 64 hex digits."""
    what = {name: value for name, value in asdict(recipe).items() if name not in _HOW_NOT_WHAT}
    told = json.dumps({"shape": asdict(shape), "recipe": what}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
