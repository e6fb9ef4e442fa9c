"""The few-shot probe, as big_vision does it: ridge regression on frozen features of a few images a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from curate import sources
from curate.pretrain.data import square
from curate.pretrain.result import Estimate, Probe
from curate.sources import SourceSettings

Features = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""Frozen features: (B, S, S, 3) uint8 -> (B, D) float64."""

L2 = 2.0**10
_BIAS = 100.0
"""A constant feature as large as this is hardly held back by the ridge: the bias."""
_SEEDS = (0, 1, 2)
_T = 4.302653
"""97.5 % point of Student's t with 2 degrees of freedom: the mean of 3 draws."""
_BATCH = 256


def labelled(where: SourceSettings, side: int, max_pixels: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Every readable image of a benchmark that has a label: (label, (side, side, 3) uint8)."""
    for shard in sources.find(where):
        for sample in sources.read(shard):
            if sample.label is not None and (pixels := square(sample.image or b"", side, max_pixels)) is not None:
                yield sample.label, pixels


def probe(
    name: str, pictures: Iterator[tuple[str, NDArray[np.uint8]]], before: Features, after: Features, shots: int
) -> Probe | str:
    """Probe a benchmark with the net before and after training, on the same draws; or why it cannot be probed.

    Of each class `shots` images are fitted and all others tested; classes too small to leave one to test are left out.
    """
    labels, first, second = _features(pictures, before, after)
    if not labels:
        return "no readable image has a label"
    counts = Counter(labels)
    classes = sorted(label for label, count in counts.items() if count > shots)
    if len(classes) < 2:
        return f"fewer than 2 classes have more than {shots} images"
    keep = [row for row, label in enumerate(labels) if counts[label] > shots]
    y = np.array([classes.index(labels[row]) for row in keep])
    scores = [[few_shot(x[keep], y, shots, seed) for seed in _SEEDS] for x in (first, second)]
    return Probe(
        benchmark=name,
        classes=len(classes),
        tested=len(keep) - shots * len(classes),
        shots=shots,
        seeds=len(_SEEDS),
        chance=1 / len(classes),
        untrained=estimate(scores[0]),
        trained=estimate(scores[1]),
        gain=estimate([b - a for a, b in zip(*scores, strict=True)], least=-1),
    )


def few_shot(x: NDArray[np.float64], y: NDArray[np.int64], shots: int, seed: int) -> float:
    """Accuracy on the rest after fitting `shots` rows a class: x (N, D) features, y (N,) classes from 0."""
    rng = np.random.default_rng(seed)
    fitted = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:shots] for c in range(y.max() + 1)])
    rest = np.setdiff1d(np.arange(len(y)), fitted)
    mean, spread = x[fitted].mean(axis=0), x[fitted].std(axis=0) + 1e-5
    seen = np.pad((x - mean) / spread, ((0, 0), (0, 1)), constant_values=_BIAS)
    weights = ridge(seen[fitted], np.eye(y.max() + 1)[y[fitted]] * 2 - 1, L2)
    return float(((seen[rest] @ weights).argmax(axis=1) == y[rest]).mean())


def ridge(x: NDArray[np.float64], y: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    """Weights W (D, C) that minimise |xW - y|^2 + l2 |W|^2 for x (N, D) and y (N, C).

    By the smaller of the two systems: (x'x + l2 I) W = x'y, or W = x'(xx' + l2 I)^-1 y.
    """
    rows, columns = x.shape
    if rows < columns:
        return np.asarray(x.T @ np.linalg.solve(x @ x.T + l2 * np.eye(rows), y))
    return np.asarray(np.linalg.solve(x.T @ x + l2 * np.eye(columns), x.T @ y))


def estimate(scores: list[float], least: float = 0) -> Estimate:
    """Mean of the draws and its 95 % interval, held within `least` and 1."""
    mean = float(np.mean(scores))
    half = _T * float(np.std(scores, ddof=1)) / len(scores) ** 0.5
    return Estimate(mean, max(least, mean - half), min(1.0, mean + half))


def _features(
    pictures: Iterator[tuple[str, NDArray[np.uint8]]], before: Features, after: Features
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Labels, and both nets' features of the pictures, which are read once."""
    labels: list[str] = []
    found: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    while batch := list(islice(pictures, _BATCH)):
        labels += [label for label, _ in batch]
        pixels = np.stack([pixels for _, pixels in batch])
        found.append((before(pixels), after(pixels)))
    if not found:
        return [], np.empty((0, 0)), np.empty((0, 0))
    first, second = zip(*found, strict=True)
    return labels, np.concatenate(first), np.concatenate(second)
