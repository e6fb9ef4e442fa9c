"""Lay one picture over another: local features and a geometric fit, or a first guess, then a fine adjustment.

All of it works on previews, grey pictures of about 128 x 128 px area, so an old corpus can be held against a new
benchmark without its images. SIFT (Lowe 2004) with the square-root normalisation of Arandjelovic and Zisserman (2012),
RANSAC, and the enhanced correlation of Evangelidis and Psarakis (2008), all as OpenCV has them.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

AREA_SIDE = 128
"""A portrait has the area of a square of so many px: small previews are blown up to it."""
_FEATURES = 250
_RATIO = 0.87
"""Largest distance of the nearest feature, in units of that to the second nearest."""
_LEAST_POINTS, _LEAST_OF_MANY = 4, 6
"""A fit to fewer points is chance. Of 3,467 pairs of unlike photographs 50 % fit on 4 points and 3 % on 6; of 163
copies by 24 edits that are aligned, one fits on fewer than 6, and that has 13 features: of so few, 4 points are enough.
"""
FEW_FEATURES = 60
"""With as many, correlation finds nothing that features do not (60 pictures, 24 edits), and costs as much again."""
SURE_POINTS = 20
"""A fit to so many points needs no fine adjustment."""
_BAND, _FINE_BAND = (1.5, 17), (0.5, 5)
"""Standard deviation and side in px of the two means between which a band lies."""
_LARGEST_SCALE, _LARGEST_STRETCH = 6.0, 2.2

_MIRRORED = np.arange(128).reshape(4, 4, 8)[::-1, :, -np.arange(8) % 8].ravel()
"""Which value of a feature is which of the mirrored picture's: rows of cells, and directions, the other way round."""

Matrix = NDArray[np.float64]


class Portrait(NamedTuple):
    """A picture made ready to be compared: (H, W) of about 128 x 128 px area."""

    grey: NDArray[np.uint8]
    band: NDArray[np.float32]
    """Its `band`, (H, W)."""
    half: NDArray[np.uint8]
    """Half the size, (H // 2, W // 2), for the fine adjustment."""
    points: NDArray[np.float32]
    """Where the features are, (K, 2) px."""
    features: NDArray[np.float32]
    """(K, 128), of unit length, the strongest first."""


class Fit(NamedTuple):
    """Where the pixels of one picture lie in another: (2, 3) affine `matrix`, and by how many `points` it was found."""

    matrix: Matrix
    points: int


def portrait(grey: NDArray[np.uint8]) -> Portrait:
    """Prepare a grey picture, (H, W) uint8, for comparison."""
    grey = _of_area(grey)
    return _portrait(grey, *_described(grey))


def _of_area(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = grey.shape
    scale = AREA_SIDE / math.sqrt(height * width)
    size = max(16, round(width * scale)), max(16, round(height * scale))
    if abs(scale - 1) > 0.05:
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)  # type: ignore[assignment]
    return np.ascontiguousarray(grey)


def _portrait(grey: NDArray[np.uint8], points: NDArray[np.float32], features: NDArray[np.float32]) -> Portrait:
    half = cv2.resize(cv2.GaussianBlur(grey, (0, 0), 1.0), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return Portrait(grey, band(grey), half, points, features)  # type: ignore[arg-type]


def band(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The detail that copies keep, (H, W): not the finest, which encoding blurs, nor the coarsest, made by light."""
    return _between(grey, *_BAND)


def fine_band(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The finest detail of a portrait that encoding leaves, (H, W): the folds within an outline."""
    return _between(grey, *_FINE_BAND)


def _between(grey: NDArray[np.uint8], fine: float, coarse: int) -> NDArray[np.float32]:
    wide = grey.astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), fine) - cv2.blur(wide, (coarse, coarse))


def mirrored(seen: Portrait) -> Portrait:
    """The portrait of the mirrored picture; its features are those of the upright one, which take most of the time."""
    points = np.array([seen.grey.shape[1] - 1, 0], np.float32) + seen.points * np.array([-1, 1], np.float32)
    return _portrait(np.ascontiguousarray(seen.grey[:, ::-1]), points, seen.features[:, _MIRRORED])


def fit_features(sample: Portrait, image: Portrait) -> Fit | None:
    """The affine map from `sample` to `image` on which most of their features agree; None where too few do."""
    few = min(len(sample.points), len(image.points)) < FEW_FEATURES
    least = _LEAST_POINTS if few else _LEAST_OF_MANY
    a, b = _matched(sample, image)
    if len(a) < least:
        return None
    found, kept = cv2.estimateAffinePartial2D(a, b, method=cv2.RANSAC, ransacReprojThreshold=5, maxIters=500)
    if found is None:
        return None
    if kept.sum() < least:
        return None
    fit = Fit(_matrix(found), _distinct(b, kept))
    if fit.points >= 2 * _LEAST_POINTS:  # enough to learn the squeeze too
        free, agreed = cv2.estimateAffine2D(a, b, method=cv2.RANSAC, ransacReprojThreshold=3, maxIters=300)
        if agreed.sum() >= max(6, 0.7 * kept.sum()) and plausible(_matrix(free)):
            fit = Fit(_matrix(free), _distinct(b, agreed))
    return fit if fit.points >= least and plausible(fit.matrix) else None


def adjusted(sample: Portrait, image: Portrait, matrix: Matrix) -> Matrix:
    """`matrix` moved to where the two correlate best; unchanged where that leads nowhere."""
    try:
        _, fine = _refine(sample.half, image.half, _halved(matrix), cv2.MOTION_AFFINE, _STOP, None, 3)
    except cv2.error:  # it does not converge on pictures that are not alike
        return matrix
    found = _doubled(fine.astype(np.float64))
    return found if plausible(found) else matrix


def search(sample: Portrait, image: Portrait) -> Fit | None:
    """The upright placement, by correlation at nine sizes, of one picture inside the other; None if none correlates.

    For pictures with too few features to fit: small, blurred, smooth ones.
    """
    a, b = _quartered(sample), _quartered(image)
    best, found = _LEAST_CORRELATION, None
    for scale in _SCALES:
        for part, whole, inverse in ((a, b, False), (b, a, True)):
            size = round(part.shape[1] * scale), round(part.shape[0] * scale)
            if size[0] > whole.shape[1] or size[1] > whole.shape[0] or min(size) < 6:
                continue
            small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
            _, value, _, at = cv2.minMaxLoc(cv2.matchTemplate(whole, small, cv2.TM_CCOEFF_NORMED))
            value *= 0.9 + 0.1 * scale  # small parts fit in many places
            if value > best:
                placed = np.array([[size[0] / part.shape[1], 0, 4 * at[0]], [0, size[1] / part.shape[0], 4 * at[1]]])
                best, found = value, Fit(inverted(placed) if inverse else placed, 0)
    return found


def inverted(matrix: Matrix) -> Matrix:
    """The map the other way."""
    return _matrix(cv2.invertAffineTransform(matrix))


def plausible(matrix: Matrix) -> bool:
    """Whether it shrinks, enlarges and stretches no more than edits do, and does not mirror: that is `mirrored`'s."""
    if matrix.shape != (2, 3) or not np.isfinite(matrix).all() or np.linalg.det(matrix[:, :2]) <= 0:
        return False
    largest, least = np.linalg.svd(matrix[:, :2], compute_uv=False)
    return bool(least * _LARGEST_SCALE >= 1 and largest <= _LARGEST_SCALE and largest <= least * _LARGEST_STRETCH)


_SCALES = tuple(np.exp(np.linspace(np.log(0.48), 0, 9)).tolist())
"""Side of the part in units of the whole's: to half, where a tile of a collage and a crop to a third lie."""
_LEAST_CORRELATION = 0.5
_refine: Any = cv2.findTransformECC  # its type stubs forbid the absent mask that its documentation allows
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 15, 1e-3)


def _quartered(seen: Portrait) -> NDArray[np.uint8]:
    return cv2.resize(seen.half, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


@cache
def _sift() -> Any:
    create: Any = cv2.SIFT_create  # type: ignore[attr-defined]
    return create(nfeatures=_FEATURES, contrastThreshold=0.02, edgeThreshold=15)


def _described(grey: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    found, features = _sift().detectAndCompute(grey, None)
    if features is None:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
    strongest = np.argsort([-point.response for point in found], kind="stable")
    points, features = np.array([found[i].pt for i in strongest], np.float32).reshape(-1, 2), features[strongest]
    return points, np.sqrt(features / (np.abs(features).sum(axis=1, keepdims=True) + 1e-9)).astype(np.float32)


def _matched(sample: Portrait, image: Portrait) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of features that are clearly nearer to each other than to the next, seen from either side: (P, 2) twice.

    From both, since the features of a busy ground hide those of the picture that lies on it.
    """
    if len(sample.features) < _LEAST_POINTS or len(image.features) < _LEAST_POINTS:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    alike = sample.features @ image.features.T
    a, b = _clear(alike)
    d, c = _clear(alike.T)
    mine, its = np.divmod(
        np.unique(np.concatenate([a, c]) * len(image.points) + np.concatenate([b, d])), len(image.points)
    )
    return sample.points[mine], image.points[its]


def _clear(alike: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows whose most alike column is clearly more so than the next, and that column: (P,) and (P,)."""
    best = alike.argmax(axis=1)
    rows = np.arange(len(best))
    others = alike.copy()
    others[rows, best] = -1
    clear = 1 - alike[rows, best] < _RATIO**2 * (1 - others.max(axis=1))
    return rows[clear], best[clear]


def _matrix(found: Any) -> Matrix:
    return np.asarray(found, np.float64)


def _distinct(points: NDArray[np.float32], kept: Any) -> int:
    """How many different places the kept points are: many features on one spot prove no more than one."""
    x, y = points[kept[:, 0] > 0].round().T
    return len(set(zip(x.tolist(), y.tolist(), strict=True)))


def _halved(matrix: Matrix) -> NDArray[np.float32]:
    """The same map between pictures of half the size; pixel centres stand at whole numbers."""
    half = matrix.copy()
    half[:, 2] = matrix[:, 2] / 2 + (matrix[:, :2].sum(axis=1) - 1) / 4
    return half.astype(np.float32)


def _doubled(half: Matrix) -> Matrix:
    matrix = half.copy()
    matrix[:, 2] = (half[:, 2] - (half[:, :2].sum(axis=1) - 1) / 4) * 2
    return matrix
