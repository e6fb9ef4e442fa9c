"""The verdict on a candidate pair: do the two show the same picture?

Most copies show it by their 32 x 32 thumbnails, laid over each other as their views were (`similarity`). The rest, cut,
turned, framed or pasted, are aligned first (`curate.ops.alignment`), then compared block by block (`compare`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.ops.alignment import SURE_POINTS, Fit, Matrix, Portrait, adjusted, band, fit_features, inverted, search

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


_GRID = 8
_MARGIN = 6
"""Pixels at the edge of a frame that are not compared."""
_LEAST_BLOCKS = 6
_LEAST_OVERLAP = 0.6
_LEAST_VARIANCE = 4.0
"""Blocks of less detail than this, in grey levels squared, say nothing: two blank walls are not each other's copies."""
_FEW_FEATURES = 60
"""With more, correlation finds nothing that features do not (60 pictures, 24 edits), and costs as much again."""
_BEARING_OUT = 8
"""Features on which an alignment must rest to count in full. Of 3,900 pairs of lookalikes one had so many, and then no
agreement; two trousers on hangers agreed in .68 of their blocks by 6.
"""
_DISCOUNT = 0.6
_HOPELESS = 0.05
"""Agreement before adjustment below which none is worth it: 99 of 100 strangers, 1 of 1,600 copies."""
_ALIKE = 0.65
"""Correlation from which two blocks agree."""


class Verdict(NamedTuple):
    """How well a benchmark image lies over a sample, and how it had to be laid."""

    agreement: float
    """Share of the blocks with detail, where the two overlap, that agree, 0 to 1; of it six tenths where fewer than
    eight local features bear the alignment out, since pictures of like outline can be aligned too.
    """
    matrix: Matrix
    """From pixels of the sample's portrait to those of the image's, (2, 3)."""
    mirrored: bool
    shown: float
    """Share of the image that the sample shows."""
    covers: float
    """Share of the sample that the image covers."""

    @property
    def rotation(self) -> float:
        """By how many degrees, clockwise, the image was turned: -180 to 180."""
        return -math.degrees(math.atan2(self.matrix[1, 0], self.matrix[0, 0]))


def compare(sample: Portrait, images: tuple[Portrait, Portrait], enough: float) -> Verdict | None:
    """Align a sample with an image, given as it is and mirrored, and compare; None if no alignment is found.

    By features; where these are few, and do not reach an agreement of `enough`, by correlation too. The best verdict.
    """
    best: Verdict | None = None
    few = min(len(sample.points), len(images[0].points)) < _FEW_FEATURES
    for way in (fit_features, search) if few else (fit_features,):
        for mirror, image in enumerate(images):
            found = way(sample, image)
            verdict = found and _best_near(sample, image, found, mirror=bool(mirror))
            if verdict and (best is None or verdict.agreement > best.agreement):
                best = verdict
        if best is not None and best.agreement >= enough:
            break
    return best


def _best_near(sample: Portrait, image: Portrait, found: Fit, *, mirror: bool) -> Verdict:
    """The verdict on an alignment, adjusted where that can help: not where no block agrees, as with most strangers."""
    verdict = judge(sample, image, found.matrix, mirror=mirror)
    if found.points < SURE_POINTS and verdict.agreement >= _HOPELESS:
        verdict = judge(sample, image, adjusted(sample, image, found.matrix), mirror=mirror)
    return verdict if found.points >= _BEARING_OUT else verdict._replace(agreement=verdict.agreement * _DISCOUNT)


def judge(sample: Portrait, image: Portrait, matrix: Matrix, *, mirror: bool) -> Verdict:
    """Compare block by block what `matrix` lays over each other, in the frame of which it covers more.

    Of copies one lies nearly whole within the other; corners that overlap agree by chance, and count for nothing.
    """
    inverse = inverted(matrix)
    covers, shown = _inside(sample, image, matrix), _inside(image, sample, inverse)
    if max(covers.mean(), shown.mean()) < _LEAST_OVERLAP:
        agreement = 0.0
    elif covers.mean() >= shown.mean():
        agreement = _agreement(sample, image, matrix, covers)
    else:
        agreement = _agreement(image, sample, inverse, shown)
    return Verdict(agreement, matrix, mirror, float(shown.mean()), float(covers.mean()))


def _inside(frame: Portrait, other: Portrait, matrix: Matrix) -> NDArray[np.bool_]:
    """Which pixels of `frame` the `other` covers, (H, W)."""
    height, width = frame.grey.shape
    full = np.ones(other.grey.shape, np.uint8)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(full, matrix, (width, height), flags=flags) > 0


def _agreement(frame: Portrait, other: Portrait, matrix: Matrix, inside: NDArray[np.bool_]) -> float:
    """The share of the blocks with detail that agree; 0 where there are too few of them to tell."""
    height, width = frame.grey.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(other.grey, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    # the band is taken only now: what lay around the picture in `other` must not reach into it
    seen = _inner(band(laid.astype(np.uint8, copy=False))), _inner(frame.band), _inner(inside)
    block = _blocks(*seen[2].shape)
    whole = np.bincount(block.ravel(), minlength=_GRID**2)
    at, x, y = block[seen[2]], seen[0][seen[2]].astype(np.float64), seen[1][seen[2]].astype(np.float64)
    count = np.bincount(at, minlength=_GRID**2)
    n = np.maximum(count, 1)
    mean_x, mean_y = (np.bincount(at, v, _GRID**2) / n for v in (x, y))
    var_x, var_y, cov = (np.bincount(at, v, _GRID**2) / n for v in (x * x, y * y, x * y))
    var_x, var_y, cov = var_x - mean_x**2, var_y - mean_y**2, cov - mean_x * mean_y
    use = (count >= 0.7 * whole) & (np.maximum(var_x, var_y) > _LEAST_VARIANCE)
    if use.sum() < _LEAST_BLOCKS:
        return 0.0
    floor = 1e-3  # a block without detail agrees with none that has some
    alike = cov / np.sqrt(np.maximum(var_x, floor) * np.maximum(var_y, floor))
    return float((alike[use] > _ALIKE).mean())


def _inner(values: NDArray[Any]) -> NDArray[Any]:
    """Without the margin, where a mean over neighbours that are not there makes detail out of a mere slope."""
    return values[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def _blocks(height: int, width: int) -> NDArray[np.int64]:
    """The number of the block that each pixel is in, of 8 x 8 blocks: (H, W)."""
    rows, columns = np.arange(height) * _GRID // height, np.arange(width) * _GRID // width
    blocks: NDArray[np.int64] = rows[:, None] * _GRID + columns[None]
    return blocks
