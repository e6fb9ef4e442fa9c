"""The command line of the training job."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from curate.detector import files, weights
from curate.detector.model import Shape
from curate.detector_training import facts
from curate.detector_training.export import export
from curate.detector_training.recipe import Recipe
from curate.detector_training.tiles import tiles
from curate.detector_training.training import train
from curate.errors import CurateError, SourceError


def main(words: Sequence[str] | None = None) -> None:
    """Train, go on training, or export; an error that is told ends with status 1 and no traceback."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    asked = _parser().parse_args(words)
    try:
        if asked.export:
            export(asked.out, asked.export)
        else:
            _train(asked)
    except CurateError as error:
        sys.exit(f"error: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Train the detector; the same command again goes on from OUT/checkpoint.pt.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint, log and facts")
    parser.add_argument(
        "--export", type=Path, metavar="FOLDER", help="train nothing: write OUT's weights there to ship"
    )
    parser.add_argument("--pictures", type=Path, nargs="+", default=[], metavar="FOLDER", help="pictures to train on")
    parser.add_argument("--at-most", type=int, default=2500, help="pictures taken of each folder")
    parser.add_argument("--drawn", type=int, default=1500, help="pictures drawn by code beside them")
    parser.add_argument("--sources", type=Path, metavar="TOML", help="what the pictures are, for the card")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    for kind in (Shape, Recipe):
        for field in fields(kind):
            name = "--" + field.name.replace("_", "-")
            parser.add_argument(name, type=type(field.default), default=field.default, help=kind.__name__.lower())
    return parser


def _train(asked: argparse.Namespace) -> None:
    shape, recipe, device = _made(Shape, asked), _made(Recipe, asked), _device(asked.device)
    start = weights.load(Path(recipe.start))[0] if recipe.start else None
    if start:
        recipe = replace(recipe, start=files.digest(Path(recipe.start)))
    if missing := [str(folder) for folder in asked.pictures if not folder.is_dir()]:
        raise SourceError(f"--pictures: no such folder: {', '.join(missing)}")
    rows = facts.sources(asked.sources, asked.pictures, asked.drawn)
    cut = tiles(asked.pictures, asked.at_most, asked.drawn, recipe.seed)
    facts.write(asked.out, facts.gathered(shape, recipe, cut, rows, device))
    logging.getLogger(__name__).info("%d tiles; training on %s", len(cut.picture), device)
    train(cut, shape, recipe, asked.out, device, start)


def _made(kind: type[Any], asked: argparse.Namespace) -> Any:
    return kind(**{field.name: getattr(asked, field.name) for field in fields(kind)})


def _device(asked: str) -> str:
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if asked == "auto" else asked
