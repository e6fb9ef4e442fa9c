"""Alignment: known maps are recovered, of detailed pictures by features, of smooth ones by correlation."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from curate.ops.agreement import agreement, lay
from curate.ops.alignment import (
    AREA_SIDE,
    Fit,
    Matrix,
    adjusted,
    fit_features,
    inverted,
    mirrored,
    plausible,
    portrait,
    search,
)
from curate.ops.views import preview
from tests.pictures import textured

Grey = NDArray[np.uint8]
KINDS = ("city", "fractal", "flowers", "reef")
PLAIN: Matrix = np.array([[1.0, 0, 0], [0, 1, 0]])


def grey(kind: str, seed: int = 0) -> Grey:
    """A drawing of 128 x 128 px area: as large as its portrait, so that maps of pixels are maps of portraits."""
    return preview(np.asarray(cv2.cvtColor(textured(kind, seed), cv2.COLOR_RGB2GRAY), np.uint8))


def moved(picture: Grey, matrix: Matrix) -> Grey:
    """The sample that `matrix` leads from to `picture`."""
    size = picture.shape[1], picture.shape[0]
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.uint8)


def about_the_middle(degrees: float, scale: float, stretch: float = 1.0) -> Matrix:
    """Turn clockwise, enlarge, and widen, about the middle of a preview of 4 : 3."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    linear = scale * np.array([[c, -s], [s, c]]) @ np.diag([stretch, 1.0])
    middle = np.array([73.0, 55.0])
    return np.column_stack([linear, middle - linear @ middle])


def farthest(a: Matrix, b: Matrix) -> float:
    """How many px two maps are apart, at the worst of a preview's corners."""
    corners = np.array([[0, 0, 1], [146, 0, 1], [0, 110, 1], [146, 110, 1]], float)
    return float(np.linalg.norm(corners @ (a - b).T, axis=1).max())


MAPS = {
    "as it is": PLAIN,
    "turned by 25 degrees": about_the_middle(25, 1),
    "half the size, turned the other way": about_the_middle(-12, 1.8),
    "a crop": about_the_middle(0, 0.7),
    "squeezed": about_the_middle(0, 1, 1.33),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MAPS)
def test_a_known_map_is_recovered_from_features(kind: str, name: str) -> None:
    image = portrait(grey(kind))
    sample = portrait(moved(grey(kind), MAPS[name]))
    fit = fit_features(sample, image)
    assert fit is not None
    assert farthest(adjusted(sample, image, fit.matrix), MAPS[name]) < 3


def test_other_pictures_have_nothing_in_common() -> None:
    fits = [fit_features(portrait(grey(a)), portrait(grey(b))) for a in KINDS for b in KINDS if a != b]
    assert max((fit.points for fit in fits if fit), default=0) < 10


@pytest.mark.parametrize("share", [0.5, 0.7, 1.0])
def test_smooth_pictures_are_placed_by_correlation(share: float) -> None:
    """A blurred picture has few features; a crop of it is found at its place, to the grain of the search."""
    smooth = cv2.GaussianBlur(grey("hills"), (0, 0), 4)
    part = smooth[10 : 10 + round(100 * share), 20 : 20 + round(124 * share)]
    sample, image = portrait(np.ascontiguousarray(part)), portrait(np.asarray(smooth, np.uint8))
    for fit, wanted in ((search(sample, image), (20, 10)), (_turned_round(search(image, sample)), (20, 10))):
        assert fit is not None
        fine = adjusted(sample, image, fit.matrix)
        assert fine[:, 2] == pytest.approx(wanted, abs=4)
        side = math.sqrt(part.size) / AREA_SIDE
        assert fine[0, 0] == pytest.approx(side, rel=0.08)


def _turned_round(fit: Fit | None) -> Fit | None:
    return Fit(inverted(fit.matrix), fit.points) if fit else None


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (3, 40), (64, 64), (300, 200)])
def test_a_portrait_has_the_same_area_whatever_the_picture(size: tuple[int, int]) -> None:
    seen = portrait(np.random.default_rng(1).integers(0, 256, size, np.uint8))
    assert min(seen.grey.shape) >= 16
    if max(size) <= 8 * min(size):
        assert seen.grey.size == pytest.approx(AREA_SIDE**2, rel=0.05)
    assert seen.band.shape == seen.grey.shape
    assert len(seen.points) == len(seen.features)


def test_a_blank_picture_has_no_features_and_agrees_with_none() -> None:
    blank, picture = portrait(np.full((90, 120), 200, np.uint8)), portrait(grey("city"))
    assert blank.features.shape == (0, 128)
    for one, other in ((blank, picture), (picture, blank), (blank, blank)):
        assert fit_features(one, other) is None
        assert np.array_equal(adjusted(one, other, PLAIN), PLAIN)
        fit = search(one, other)  # OpenCV calls the correlation with a blank picture 1; what is laid so has no detail
        assert fit is None or agreement(lay(one, other, fit.matrix), fit.points) == 0


def test_mirroring_twice_is_nothing() -> None:
    seen = portrait(grey("reef"))
    again = mirrored(mirrored(seen))
    assert np.array_equal(again.grey, seen.grey)
    assert np.array_equal(again.features, seen.features)


@pytest.mark.parametrize(
    ("linear", "fine"),
    [
        ([[1, 0], [0, 1]], True),
        ([[0, -1], [1, 0]], True),
        ([[5.9, 0], [0, 5.9]], True),
        ([[6.1, 0], [0, 6.1]], False),
        ([[0.17, 0], [0, 0.17]], True),
        ([[0.16, 0], [0, 0.16]], False),
        ([[2.1, 0], [0, 1]], True),
        ([[2.3, 0], [0, 1]], False),
        ([[-1, 0], [0, 1]], False),
        ([[1, 1], [1, 1]], False),
        ([[math.nan, 0], [0, 1]], False),
        ([[math.inf, 0], [0, 1]], False),
    ],
)
def test_what_is_plausible(linear: list[list[float]], fine: bool) -> None:
    assert plausible(np.column_stack([np.array(linear, float), [3, 4]])) == fine


def test_no_map_is_not_plausible() -> None:
    assert not plausible(np.zeros((0, 0)))
    assert np.allclose(inverted(inverted(MAPS["squeezed"])), MAPS["squeezed"])
