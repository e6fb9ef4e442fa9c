"""Perceptual hashes of grey views, in batches: the DCT hash ("pHash") of imagehash 4.3 and the distance of two hashes.

The DCT matrix is rounded to integers, so small that the sums over a row of pixels are exact in float32 and those over
the rows in float64, whatever the order of additions: equal pixels give equal bits on every processor and BLAS.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 64
"""Side in px of the grey views that hashes and quality facts are computed from."""


def view(pixels: NDArray[np.uint8], side: int = SIDE) -> NDArray[np.uint8]:
    """Squeeze a grey picture to a square: (H, W) uint8 -> (side, side) uint8; area mean going down, linear going up."""
    height, width = pixels.shape
    small = cv2.resize(pixels, (min(width, side), min(height, side)), interpolation=cv2.INTER_AREA)
    if min(width, height) < side:
        small = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
    return small  # type: ignore[return-value]


def centre_square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The largest centred square: (H, W, ...) -> (S, S, ...) with S = min(H, W), as benchmarks are cropped."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def phash64(views: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash grey views: (N, 64, 64) uint8 -> (N,) uint64, as `int(str(imagehash.phash(image)), 16)`."""
    wide = views.astype(np.float32)
    halved = wide[:, 0::2, 0::2] + wide[:, 0::2, 1::2] + wide[:, 1::2, 0::2] + wide[:, 1::2, 1::2]
    bits = _bits(halved, 8, 4 * 255)
    return np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)


def phash256(views: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Hash grey views: (N, 64, 64) uint8 -> (N, 32) uint8, the 256 bits of `imagehash.phash(image, hash_size=16)`."""
    return np.packbits(_bits(views.astype(np.float32), 16, 255), axis=1)


def hamming(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Count differing bits, row by row: (N, B) uint8 and (N, B) uint8 -> (N,) int32."""
    bits: NDArray[np.int32] = np.bitwise_count(a ^ b).sum(axis=1, dtype=np.int32)
    return bits


def _bits(pixels: NDArray[np.float32], size: int, peak: int) -> NDArray[np.bool_]:
    """The lowest `size` x `size` DCT-II coefficients against their median: (N, S, S) up to `peak` -> (N, size**2)."""
    count, side, _ = pixels.shape
    rows = _dct(side, peak)[:size]
    across = (pixels.reshape(-1, side) @ rows.T).reshape(count, side, size).astype(np.float64)
    low = (rows.astype(np.float64) @ across).reshape(count, size * size)
    return low > np.median(low, axis=1, keepdims=True) if count else low.astype(bool)


@cache
def _dct(side: int, peak: int) -> NDArray[np.float32]:
    """The DCT-II matrix in whole numbers: (side, side) float32; `side` of them times `peak` stay below 2**24."""
    k, n = np.arange(side)[:, None], np.arange(side)[None, :]
    scale = 2**24 // (side * peak)
    return np.asarray(np.rint(scale * np.cos(np.pi * k * (2 * n + 1) / (2 * side))), np.float32)
