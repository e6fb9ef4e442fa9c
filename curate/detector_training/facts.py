"""What a training says of itself: `facts.json`, written when it begins, and the cost, read from its log."""

from __future__ import annotations

import json
import os
import platform
import tomllib
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from curate.detector.model import Shape
from curate.detector_training.recipe import Recipe, digest
from curate.detector_training.tiles import Tiles
from curate.detector_training.training import LOG
from curate.errors import SourceError

FACTS = "facts.json"


@dataclass(frozen=True)
class Facts:
    """What was trained how: `sources` are rows of name, pictures and licence; `hardware` is named as a person would.

    `note` says what the recipe cannot: where a training went on with other settings than it began with.
    """

    shape: Shape
    recipe: Recipe
    sources: tuple[dict[str, Any], ...]
    tiles: int
    hardware: str
    note: str = ""

    @property
    def digest(self) -> str:
        """Digest of shape and recipe: 64 hex digits."""
        return digest(self.shape, self.recipe)


@dataclass(frozen=True)
class Cost:
    """Of a training so far: `step` it has reached, seconds of all its sittings, and loss and hit as last logged."""

    step: int
    seconds: float
    loss: float
    hit: float


def write(out: Path, told: Facts) -> None:
    """Write `out/facts.json`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / FACTS).write_text(json.dumps(asdict(told), indent=2) + "\n", encoding="utf-8")


def read(out: Path) -> Facts:
    """Read `out/facts.json`; SourceError where it is not one of ours."""
    try:
        told = json.loads((out / FACTS).read_text(encoding="utf-8"))
        shape, recipe = Shape(**told["shape"]), Recipe(**told["recipe"])
        return Facts(
            shape, recipe, tuple(told["sources"]), int(told["tiles"]), str(told["hardware"]), told.get("note", "")
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{out / FACTS}: no facts of a training: {type(error).__name__}: {error}") from None


def cost(out: Path, step: int) -> Cost:
    """Add up the log's sittings: each counts its seconds from zero."""
    rows = [json.loads(line) for line in (out / LOG).read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["step"] <= step]
    if not rows:
        raise SourceError(f"{out / LOG}: nothing logged up to step {step}")
    ends = [row["seconds"] for row, after in pairwise(rows) if after["seconds"] < row["seconds"]]
    return Cost(step, sum(ends) + rows[-1]["seconds"], rows[-1]["loss"], rows[-1]["hit"])


def sources(file: Path | None, folders: list[Path], drawn: int) -> tuple[dict[str, Any], ...]:
    """The rows of a file such as `sources.toml`; without one, the folders by name, their licences not stated."""
    if file is None:
        rows = [{"name": folder.name, "pictures": "", "licence": "not stated"} for folder in folders]
        return (*rows, {"name": "Drawn by curate.demo", "pictures": drawn, "licence": "Apache-2.0, as curate"})
    try:
        rows = tomllib.loads(file.read_text(encoding="utf-8"))["source"]
        return tuple({name: row[name] for name in ("name", "pictures", "licence")} for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file}: no list of sources: {type(error).__name__}: {error}") from None


def gathered(shape: Shape, recipe: Recipe, tiles: Tiles, rows: tuple[dict[str, Any], ...], device: str) -> Facts:
    """The facts of a training that begins here."""
    return Facts(shape, recipe, rows, len(tiles.picture), _hardware(device))


def _hardware(device: str) -> str:
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    return f"{len(os.sched_getaffinity(0))} cores of {platform.machine()}, no GPU"
