"""The verdict on a candidate pair: do the aligned thumbnails show the same picture?"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 32
"""Side in px of the stored thumbnails."""


def similarity(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Correlation of thumbnails, pair by pair: (N, P) uint8 and (N, P) uint8 -> (N,) float32 in -1 to 1; 0 when blank.

    Correlation, because brightness and contrast are edits and must not count. The sums are whole numbers, so that
    neither the order of a pair nor its neighbours matter.
    """
    x, y, pixels = a.astype(np.int32), b.astype(np.int32), a.shape[1]
    sum_x, sum_y = x.sum(axis=1), y.sum(axis=1)
    spread_x = pixels * (x * x).sum(axis=1) - sum_x * sum_x
    spread_y = pixels * (y * y).sum(axis=1) - sum_y * sum_y
    norm = np.sqrt(spread_x) * np.sqrt(spread_y)
    together = pixels * (x * y).sum(axis=1) - sum_x * sum_y
    alike: NDArray[np.float64] = np.divide(together, norm, out=np.zeros(len(x)), where=norm > 0)
    return alike.astype(np.float32)


def square_of(thumbnail: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The centre square of a squeezed thumbnail of a `width` x `height` picture: (1024,) uint8 -> (1024,) uint8."""
    if width == height:
        return thumbnail
    long_share = min(width, height) / max(width, height) * SIDE
    start, scale = (SIDE - long_share) / 2, long_share / SIDE
    along, across = (scale, start + scale / 2 - 0.5), (1.0, 0.0)
    (sx, tx), (sy, ty) = (along, across) if width > height else (across, along)
    matrix = np.array([[sx, 0, tx], [0, sy, ty]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image = thumbnail.reshape(SIDE, SIDE)
    square = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return square.astype(np.uint8).reshape(-1)
