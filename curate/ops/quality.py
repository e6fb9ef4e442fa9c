"""Quality facts of grey views: cheap numbers that tell blank, blurred and flat pictures from the rest."""

from __future__ import annotations

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


def quality(views: NDArray[np.uint8]) -> Quality:
    """Facts of grey views, (N, S, S) uint8: standard deviation, variance of the 4-neighbour Laplacian, entropy in bits
    of the 256-level histogram, and the share of pixels in the fullest of 16 grey bins.
    """
    histograms = np.stack([np.bincount(v.ravel(), minlength=256) for v in views]) if len(views) else np.empty((0, 256))
    shares = histograms / max(views[0].size if len(views) else 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nansum(shares * np.log2(shares), axis=1)
    levels = np.arange(256)
    mean = shares @ levels
    contrast = np.sqrt(np.maximum(shares @ levels**2 - mean**2, 0))
    fullest = shares.reshape(-1, 16, 16).sum(axis=2).max(axis=1) if len(views) else np.empty(0)
    sharpness = [cv2.meanStdDev(cv2.Laplacian(v, cv2.CV_16S))[1][0, 0] ** 2 for v in views]
    return Quality(*(np.asarray(fact, np.float32) for fact in (contrast, sharpness, entropy, fullest)))
