"""The verdict on a candidate pair: do the two show the same picture?

Most copies show it by their 32 x 32 thumbnails, laid over each other as their views were (`similarity`). The rest, cut,
turned, framed or pasted, are aligned first (`curate.ops.alignment`), then compared (`curate.ops.agreement`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.ops.agreement import HOPELESS, agreement, lay
from curate.ops.alignment import FEW_FEATURES, SURE_POINTS, Fit, Matrix, Portrait, adjusted, fit_features, search

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
    side = min(width, height)
    return centre_of(thumbnail, side / width, side / height)


def centre_of(thumbnail: NDArray[np.uint8], across: float, down: float) -> NDArray[np.uint8]:
    """The centre of a thumbnail, shares of its width and height, enlarged: (1024,) uint8 -> (1024,) uint8."""
    if across == down == 1:
        return thumbnail
    matrix = np.array([[across, 0, _before(across)], [0, down, _before(down)]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image = thumbnail.reshape(SIDE, SIDE)
    centre = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return centre.astype(np.uint8).reshape(-1)


def _before(share: float) -> float:
    """Where the middle of the first px of a centred part lies, in px."""
    return (SIDE - share * SIDE) / 2 + share / 2 - 0.5


class Verdict(NamedTuple):
    """How well a benchmark image lies over a sample, and how it had to be laid."""

    agreement: float
    """How much speaks for it that the two are one, 0 to 1: `curate.ops.agreement`."""
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


def compare(
    sample: Portrait, images: tuple[Portrait, Portrait], enough: float, *, likely: bool = False
) -> Verdict | None:
    """Align a sample with an image, given as it is and mirrored, and compare; None if no alignment is found.

    By features; where these are few, and do not reach an agreement of `enough`, by correlation too. The best verdict.
    `likely`: something else speaks for the pair, so that correlation is worth its cost where many features fit nowhere.
    """
    best = _best(sample, images, fit_features)
    few = min(len(sample.points), len(images[0].points)) < FEW_FEATURES
    if best is None:
        return _best(sample, images, search) if few or likely else None
    if few and best.agreement < enough:
        other = _best(sample, images, search)
        return other if other and other.agreement > best.agreement else best
    return best


def _best(sample: Portrait, images: tuple[Portrait, Portrait], way: Callable[..., Fit | None]) -> Verdict | None:
    """The best verdict on the alignments that one way finds; None if it finds none."""
    fits = ((mirror, image, way(sample, image)) for mirror, image in enumerate(images))
    verdicts = [_best_near(sample, image, fit, mirror=bool(mirror)) for mirror, image, fit in fits if fit]
    return max(verdicts, key=lambda verdict: verdict.agreement, default=None)


def _best_near(sample: Portrait, image: Portrait, found: Fit, *, mirror: bool) -> Verdict:
    """The verdict on an alignment, adjusted where that helps: not where no block agrees, as with most strangers.

    Nor where fewer agree afterwards: a bar with words, of one picture alone, draws the adjustment away (25 of 1,200
    copies with a banner were lost by that).
    """
    laid, matrix = lay(sample, image, found.matrix), found.matrix
    if found.points < SURE_POINTS and laid.broad >= HOPELESS:
        moved = adjusted(sample, image, matrix)
        again = lay(sample, image, moved)
        laid, matrix = (again, moved) if again.broad >= laid.broad else (laid, matrix)
    return Verdict(agreement(laid, found.points), matrix, mirror, laid.shown, laid.covers)
