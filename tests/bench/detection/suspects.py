"""Unrelated pairs that detectors call copies, for eyes: some may show one thing twice."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tests.bench.detection.pictures import Picture
from tests.bench.detection.table import FLOORS, Column

MOST = 24


class Suspect(NamedTuple):
    """Two pictures of the benchmark, and which copies of the first, by which detector, were taken for the second."""

    first: int
    second: int
    taken: list[str]


def suspects(columns: Sequence[Column]) -> list[Suspect]:
    """Those most often taken for one another, most often first."""
    taken: dict[tuple[int, int], list[str]] = {}
    for column in columns:
        for edit in FLOORS:
            named = np.argwhere(column.scores[edit] >= column.threshold)
            for first, second in named[named[:, 0] != named[:, 1]].tolist():
                taken.setdefault((first, second), []).append(f"{edit} by {column.name}")
    ranked = sorted(taken.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Suspect(*pair, by) for pair, by in ranked[:MOST]]


def sheet(found: Sequence[Suspect], benchmark: Sequence[Picture], path: Path) -> None:
    """Save each pair side by side, in order, four pairs a row."""
    side, across = 160, 4
    page = Image.new("RGB", (across * (2 * side + 10), max(1, -(-len(found) // across)) * (side + 10)), "white")
    for number, suspect in enumerate(found):
        top, left = number // across * (side + 10), number % across * (2 * side + 10)
        for offset, row in ((0, suspect.first), (side, suspect.second)):
            picture = Image.open(io.BytesIO(benchmark[row].jpeg))
            picture.thumbnail((side, side))
            page.paste(picture, (left + offset, top))
    page.save(path)
