"""Quality facts of grey views: cheap numbers that tell blank, blurred and flat pictures from the rest."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_MEANS = 16
_AT_ONCE = 48
"""Views whose relief is taken together: larger arrays are new memory each time, which costs more than the sums."""


class Quality(NamedTuple):
    """Facts of N views, each (N,) float32."""

    contrast: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    entropy: NDArray[np.float32]
    one_colour: NDArray[np.float32]


def contrast(views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Standard deviation of each view: (N, ...) uint8 -> (N,) float32, from whole sums: the batch does not matter."""
    if not len(views):
        return np.empty(0, np.float32)
    flat = views.reshape(len(views), -1)
    total = cv2.reduce(flat, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0].astype(np.float64)
    squares = cv2.reduce(flat, 1, cv2.REDUCE_SUM2, dtype=cv2.CV_64F)[:, 0]
    n = flat.shape[1]
    return np.asarray(np.sqrt(n * squares - total * total) / n, np.float32)


def clear(views: NDArray[np.uint8], min_contrast: float) -> NDArray[np.bool_]:
    """Which views, (N, S, S) uint8, show enough to be hashed, (N,): contrast, and half of that against a slope.

    Tiles of clear sky are slopes of light and no more: their hashes hang on noise, their thumbnails correlate by .99.
    """
    return (contrast(views) >= min_contrast) & (relief(views) >= min_contrast / 2)


def relief(views: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Standard deviation of each view about the quadratic surface that fits it: (N, S, S) uint8 -> (N,) float64.

    Of its 16 x 16 means, so that noise is no relief; S is 16 times a power of two. Sums are exact: the batch does not
    matter.
    """
    found = [_relief(views[start : start + _AT_ONCE]) for start in range(0, len(views), _AT_ONCE)]
    return np.concatenate(found) if found else np.empty(0, np.float64)


def _relief(views: NDArray[np.uint8]) -> NDArray[np.float64]:
    count, side = views.shape[:2]
    column: NDArray[Any] = views.reshape(count * side, side)  # one under the other; halved, which is fast
    while column.shape[1] > _MEANS:
        column = cv2.resize(column, (column.shape[1] // 2, len(column) // 2), interpolation=cv2.INTER_AREA)
    small = column.reshape(count, _MEANS**2).astype(np.float64)
    surfaces = _surfaces()
    along = small @ surfaces
    explained = (along * along / (surfaces * surfaces).sum(axis=0)).sum(axis=1)
    left: NDArray[np.float64] = np.maximum(np.einsum("np,np->n", small, small) - explained, 0)
    return np.sqrt(left) / _MEANS


@cache
def _surfaces() -> NDArray[np.float64]:
    """The terms of a quadratic surface over 16 x 16 places, at right angles to one another: (256, 6), whole numbers."""
    x = np.arange(_MEANS) * 2.0 - (_MEANS - 1)
    powers = (np.ones(_MEANS), x, x * x - (x * x).mean())
    terms = [np.outer(powers[down], powers[across]).ravel() for down in range(3) for across in range(3 - down)]
    return np.stack(terms, axis=1)


def quality(views: NDArray[np.uint8]) -> Quality:
    """Facts of grey views, (N, S, S) uint8: standard deviation, variance of the 4-neighbour Laplacian, entropy in bits
    of the 256-level histogram, and the share of pixels in the fullest of 16 grey bins.
    """
    pixels = math.prod(views.shape[1:])
    histograms = np.array([cv2.calcHist([v], [0], None, [256], [0, 256]) for v in views], np.int64).reshape(-1, 256)
    entropy = np.log2(pixels) - _n_log2_n(pixels)[histograms].sum(axis=1) / pixels
    fullest = histograms.reshape(-1, 16, 16).sum(axis=2).max(axis=1) / pixels
    sharpness = [cv2.meanStdDev(cv2.Laplacian(v, cv2.CV_16S))[1][0, 0] ** 2 for v in views]
    facts = (contrast(views), sharpness, np.maximum(entropy, 0), fullest)
    return Quality(*(np.asarray(fact, np.float32) for fact in facts))


@cache
def _n_log2_n(most: int) -> NDArray[np.float64]:
    """Table of n * log2(n), n = 0 to `most`: counts are whole, so no logarithm need be taken twice."""
    n = np.arange(most + 1)
    return np.asarray(n * np.log2(np.maximum(n, 1)), np.float64)
