"""What the detector sees of a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 112
"""Pixels a side."""
SEEN = (SIDE, SIDE)
"""The shape of one picture as the detector takes it, uint8."""
HOW = f"grey (ITU-R 601), squashed to {SIDE} x {SIDE} px, a longer side by the mean of areas, a shorter one linearly"


def squash(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB or (H, W) uint8 grey -> (112, 112) uint8 grey: first what must shrink, then what must grow.

    In two steps, since OpenCV takes no mean of areas at all where one of the two sides grows. Grey first: a third of
    the work.
    """
    seen: NDArray[np.uint8] = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels  # type: ignore[assignment]
    height, width = seen.shape
    if height > SIDE or width > SIDE:
        seen = cv2.resize(seen, (min(width, SIDE), min(height, SIDE)), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if height < SIDE or width < SIDE:
        seen = cv2.resize(seen, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return seen
