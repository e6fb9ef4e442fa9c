"""The few-shot probe against scikit-learn, and against what one knows without it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from curate.pretrain.probe import L2, estimate, few_shot, probe, ridge
from curate.pretrain.result import Probe


@pytest.mark.parametrize(("rows", "columns"), [(15, 129), (300, 40)])
def test_ridge_is_scikit_learns(rows: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    x = np.pad(rng.normal(size=(rows, columns)), ((0, 0), (0, 1)), constant_values=100.0)
    y = np.eye(5)[rng.integers(0, 5, rows)] * 2 - 1
    theirs = Ridge(alpha=L2, fit_intercept=False).fit(x, y).coef_.T
    assert ridge(x, y, L2) == pytest.approx(theirs, abs=1e-10)


def test_few_shot_finds_classes_that_lie_apart_and_none_in_noise() -> None:
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(4), 100)
    noise = rng.normal(size=(400, 32))
    assert few_shot(np.eye(4)[y] @ rng.normal(size=(4, 32)) * 9 + noise, y, 5, 0) == 1
    assert few_shot(noise, y, 5, 0) == pytest.approx(0.25, abs=0.07)


def test_few_shot_gives_the_same_for_the_same_seed_only() -> None:
    x, y = np.random.default_rng(2).normal(size=(60, 8)), np.repeat(np.arange(3), 20)
    assert few_shot(x, y, 5, 0) == few_shot(x, y, 5, 0)
    assert len({few_shot(x, y, 5, seed) for seed in range(9)}) > 1


def test_the_interval_is_students() -> None:
    found = estimate([0.45, 0.5, 0.55])
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5 - 0.124207, 0.5 + 0.124207), abs=1e-6)
    assert estimate([0.0, 0.1, 0.0]).low == 0
    assert estimate([0.0, 0.1, 0.0], least=-1).low < 0


def colours(each: dict[str, int]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Plain pictures of as many shades of a number: class N has brightness around 40 N."""
    for number, (label, count) in enumerate(each.items()):
        for shade in range(count):
            yield label, np.full((4, 4, 3), 40 * number + shade, np.uint8)


def brightness(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    mean = pixels.mean(axis=(1, 2, 3)) / 255
    return np.stack([np.cos(9 * mean), np.sin(9 * mean), mean], axis=1)


def blind(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.zeros((len(pixels), 3))


def test_probe_tells_a_net_that_sees_from_a_blind_one() -> None:
    found = probe("shades", colours({"dark": 8, "grey": 9, "light": 7, "few": 5}), blind, brightness, 5)
    assert isinstance(found, Probe)
    assert (found.classes, found.tested, found.shots, found.seeds) == (3, 3 + 4 + 2, 5, 3)
    assert found.chance == pytest.approx(1 / 3)
    assert found.trained.mean == 1
    assert found.untrained.mean == pytest.approx(3 / 9)  # all for the first class
    assert found.gain.mean == pytest.approx(6 / 9)


@pytest.mark.parametrize(
    ("each", "why"),
    [({}, "no readable image has a label"), ({"a": 9, "b": 5}, "fewer than 2 classes have more than 5 images")],
)
def test_probe_says_why_not(each: dict[str, int], why: str) -> None:
    assert probe("none", colours(each), blind, brightness, 5) == why
