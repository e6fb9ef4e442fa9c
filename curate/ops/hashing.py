"""Perceptual hashes of grey views, in batches: the DCT hash ("pHash") of imagehash 4.3 and the distance of two hashes.

The DCT matrix is rounded to integers, so small that the sums over a row of pixels are exact in float32 and those over
the rows in float64, whatever the order of additions: equal pixels give equal bits on every processor and BLAS.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SIDE = 64
"""Side in px of the grey views that hashes and quality facts are computed from."""
_AT_ONCE = 24
"""Views that are hashed together: as floats they must stay in a core's cache."""


def phash64(views: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash grey views: (N, 64, 64) uint8 -> (N,) uint64, as `int(str(imagehash.phash(image)), 16)`."""
    return _packed(views, 8, halved=True).view(">u8")[:, 0].astype(np.uint64)


def phash256(views: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Hash grey views: (N, 64, 64) uint8 -> (N, 32) uint8, the 256 bits of `imagehash.phash(image, hash_size=16)`."""
    return _packed(views, 16, halved=False)


def hamming(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Count differing bits, row by row: (N, B) uint8 and (N, B) uint8 -> (N,) int32."""
    bits: NDArray[np.int32] = np.bitwise_count(a ^ b).sum(axis=1, dtype=np.int32)
    return bits


def _packed(views: NDArray[np.uint8], size: int, halved: bool) -> NDArray[np.uint8]:
    """The bits of `size` x `size` coefficients of views, or of the sums of their 2 x 2 px -> (N, size**2 / 8) uint8."""
    packed = np.empty((len(views), size * size // 8), np.uint8)
    kept = np.empty((_AT_ONCE, *views.shape[1:]), np.float32)  # once: new memory costs more than what is done in it
    for start in range(0, len(views), _AT_ONCE):
        some = kept[: len(views) - start]
        some[:] = views[start : start + _AT_ONCE]
        if halved:
            some = some[:, 0::2] + some[:, 1::2]
            some = some[:, :, 0::2] + some[:, :, 1::2]
        packed[start : start + _AT_ONCE] = np.packbits(_bits(some, size, 4 * 255 if halved else 255), axis=1)
    return packed


def _bits(pixels: NDArray[np.float32], size: int, peak: int) -> NDArray[np.bool_]:
    """The lowest `size` x `size` DCT-II coefficients against their median: (N, S, S) up to `peak` -> (N, size**2)."""
    count, side, _ = pixels.shape
    rows = _dct(side, peak)[:size]
    across = (pixels.reshape(-1, side) @ rows.T).reshape(count, side, size).astype(np.float64)
    low = (rows.astype(np.float64) @ across).reshape(count, size * size)
    middle = size * size // 2
    ranked = np.sort(low, axis=1)  # quicker than np.partition at two places
    median: NDArray[np.float64] = (ranked[:, middle - 1] + ranked[:, middle]) / 2
    return low > median[:, None]


@cache
def _dct(side: int, peak: int) -> NDArray[np.float32]:
    """The DCT-II matrix in whole numbers: (side, side) float32; `side` of them times `peak` stay below 2**24."""
    k, n = np.arange(side)[:, None], np.arange(side)[None, :]
    scale = 2**24 // (side * peak)
    return np.asarray(np.rint(scale * np.cos(np.pi * k * (2 * n + 1) / (2 * side))), np.float32)
