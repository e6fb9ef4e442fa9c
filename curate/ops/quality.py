"""Quality facts of grey views: cheap numbers that tell blank, blurred and flat pictures from the rest."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Quality(NamedTuple):
    """Facts of N views, each (N,) float32."""

    contrast: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    entropy: NDArray[np.float32]
    one_colour: NDArray[np.float32]


def contrast(views: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Standard deviation of each view: (N, ...) uint8 -> (N,) float32, from whole sums: the batch does not matter."""
    flat = views.reshape(len(views), math.prod(views.shape[1:])).astype(np.float64)
    n = flat.shape[1]
    spread = n * np.einsum("ij,ij->i", flat, flat) - flat.sum(axis=1) ** 2
    return np.asarray(np.sqrt(spread) / n, np.float32)


def quality(views: NDArray[np.uint8]) -> Quality:
    """Facts of grey views, (N, S, S) uint8: standard deviation, variance of the 4-neighbour Laplacian, entropy in bits
    of the 256-level histogram, and the share of pixels in the fullest of 16 grey bins.
    """
    histograms = np.array([np.bincount(v.ravel(), minlength=256) for v in views], np.int64).reshape(-1, 256)
    shares = histograms / views[0].size if len(views) else histograms.astype(np.float64)
    logs = np.log2(np.where(histograms, shares, 1))
    fullest = shares.reshape(-1, 16, 16).sum(axis=2).max(axis=1)
    sharpness = [cv2.meanStdDev(cv2.Laplacian(v, cv2.CV_16S))[1][0, 0] ** 2 for v in views]
    facts = (contrast(views), sharpness, np.abs((shares * logs).sum(axis=1)), fullest)
    return Quality(*(np.asarray(fact, np.float32) for fact in facts))
