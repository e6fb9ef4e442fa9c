"""Shared by the detector's tests: a tiny detector, exported as the shipped one is, and tiles to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from curate.detector import files, graph, weights
from curate.detector.model import Detector, Shape
from curate.detector_training.tiles import Tiles, tiles
from tests.pictures import Pixels, draw

TINY = Shape(width=32, depth=1, heads=2, dim=16)


@pytest.fixture(scope="session")
def tiny() -> Detector:
    """A random tiny detector, rounded to float16 as the files are."""
    torch.manual_seed(3)
    made: Detector = Detector(TINY).half().float().requires_grad_(False).eval()
    return made


@pytest.fixture(scope="session")
def folder(tiny: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny detector's files, whole and sealed."""
    path = tmp_path_factory.mktemp("detector")
    weights.save(path / files.WEIGHTS, tiny, "00", 7)
    graph.export(tiny, path / files.GRAPH)
    files.seal(path)
    return path


@pytest.fixture(scope="session")
def few() -> Tiles:
    """Tiles of ten drawn pictures."""
    return tiles([], 0, 10, seed=0)


@pytest.fixture(scope="session")
def pictures() -> list[Pixels]:
    """Thirty-three pictures of many shapes: more than two batches, and not a whole number of them."""
    sizes = [(300, 200), (64, 48), (112, 112), (40, 500), (113, 90)]
    return [draw(i, *sizes[i % len(sizes)]) for i in range(33)]


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Row by row: (N, D) and (N, D) -> (N,)."""
    first, second = one.astype(np.float64), other.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray((first * second).sum(1) / lengths, np.float64)
