"""What the detector sees of a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 112
"""Pixels a side."""
SEEN = (SIDE, SIDE, 3)
"""The shape of one picture as the detector takes it, uint8."""
HOW = f"squashed to {SIDE} x {SIDE} px RGB, a longer side by the mean of areas, a shorter one linearly"


def squash(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 -> (112, 112, 3) uint8, whatever the shape: first what must shrink, then what must grow.

    In two steps, since OpenCV takes no mean of areas at all where one of the two sides grows.
    """
    height, width = pixels.shape[:2]
    if height > SIDE or width > SIDE:
        pixels = cv2.resize(pixels, (min(width, SIDE), min(height, SIDE)), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if height < SIDE or width < SIDE:
        pixels = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return pixels
