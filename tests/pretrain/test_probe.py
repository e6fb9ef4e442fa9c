"""The probes against scikit-learn, and against what one knows without it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

from curate.pretrain.fewshot import L2, few_shot, linear, nearest, ridge, split
from curate.pretrain.probe import estimate, probes, see
from curate.pretrain.settings import PretrainSettings

FIVE = PretrainSettings(shots=(5,))


@pytest.mark.parametrize(("rows", "columns"), [(15, 129), (300, 40)])
def test_ridge_is_scikit_learns(rows: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    x = np.pad(rng.normal(size=(rows, columns)), ((0, 0), (0, 1)), constant_values=100.0)
    y = np.eye(5)[rng.integers(0, 5, rows)] * 2 - 1
    theirs = Ridge(alpha=L2, fit_intercept=False).fit(x, y).coef_.T
    assert ridge(x, y, L2) == pytest.approx(theirs, abs=1e-10)


def blobs(apart: float = 2.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """200 features around 4 centres."""
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(4), 50)
    return np.eye(4)[y] @ rng.normal(size=(4, 16)) * apart + rng.normal(size=(200, 16)), y


def whitened(x: NDArray[np.float64], fitted: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray((x - x[fitted].mean(0)) / (x[fitted].std(0) + 1e-5))


def test_the_few_shot_accuracy_is_that_of_scikit_learns_ridge() -> None:
    x, y = blobs(0.7)
    rows = split(y, 10, seed=0)
    seen = np.pad(whitened(x, rows.fitted), ((0, 0), (0, 1)), constant_values=100.0)
    theirs = Ridge(alpha=2.0**10, fit_intercept=False).fit(seen[rows.fitted], np.eye(4)[y[rows.fitted]] * 2 - 1)
    accuracy = (theirs.predict(seen[rows.tested]).argmax(1) == y[rows.tested]).mean()
    assert 0.5 < accuracy < 1
    assert few_shot(x, y, rows) == accuracy


def test_nearest_neighbours_are_scikit_learns() -> None:
    x, y = blobs(0.7)
    rows = split(y, None, seed=0)
    vote = KNeighborsClassifier(20, metric="cosine", weights=lambda d: np.exp(-d / 0.07))
    assert nearest(x, y, rows) == vote.fit(x[rows.fitted], y[rows.fitted]).score(x[rows.tested], y[rows.tested])


def test_the_linear_probe_is_scikit_learns() -> None:
    x, y = blobs(0.7)
    rows = split(y, None, seed=0)
    seen = whitened(x, rows.fitted)
    theirs = LogisticRegression(C=1 / (0.01 * len(rows.fitted)), tol=1e-8, max_iter=1000)
    accuracy = theirs.fit(seen[rows.fitted], y[rows.fitted]).score(seen[rows.tested], y[rows.tested])
    assert linear(x, y, rows) == pytest.approx(accuracy, abs=0.026)  # one of 40 may lie on the border


def test_few_shot_finds_classes_that_lie_apart_and_none_in_noise() -> None:
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(4), 100)
    noise = rng.normal(size=(400, 32))
    rows = split(y, 5, 0)
    assert few_shot(np.eye(4)[y] @ rng.normal(size=(4, 32)) * 9 + noise, y, rows) == 1
    assert few_shot(noise, y, rows) == pytest.approx(0.25, abs=0.07)


def test_splits_are_drawn_by_the_seed_and_keep_to_what_is_held_out() -> None:
    y = np.repeat(np.arange(3), 20)
    assert split(y, 5, 0).fitted.tolist() == split(y, 5, 0).fitted.tolist() != split(y, 5, 1).fitted.tolist()
    assert np.bincount(y[split(y, 5, 0).fitted]).tolist() == [5, 5, 5]
    assert np.bincount(y[split(y, None, 0).fitted]).tolist() == [16, 16, 16]
    held = np.arange(60) % 4 == 0
    for shots in (5, None):
        rows = split(y, shots, 0, held)
        assert not held[rows.fitted].any()
        assert rows.tested.tolist() == np.flatnonzero(held).tolist()


def test_the_interval_is_students() -> None:
    found = estimate([0.45, 0.5, 0.55])
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5 - 0.124207, 0.5 + 0.124207), abs=1e-6)
    assert estimate([0.0, 0.1, 0.0]).low == 0
    assert estimate([0.0, 0.1, 0.0], least=-1).low < 0
    five = estimate([0.4, 0.5, 0.6, 0.5, 0.5])
    assert five.high - five.mean == pytest.approx(2.776445 * np.std([0.4, 0.5, 0.6, 0.5, 0.5], ddof=1) / 5**0.5)


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


NETS = {"untrained": blind, "trained": brightness}


def test_probes_tell_a_net_that_sees_from_a_blind_one() -> None:
    (found, *whole), why_not = probes("shades", see(colours({"dark": 8, "grey": 9, "light": 7, "few": 5}), NETS), FIVE)
    assert why_not is None
    assert (found.classes, found.tested, found.method, found.seeds) == (3, 3 + 4 + 2, "5 shots", 3)
    assert found.chance == pytest.approx(1 / 3)
    assert found.nets["trained"].mean == 1
    assert found.nets["untrained"].mean == pytest.approx(3 / 9)  # all for the first class
    assert found.gain is not None
    assert found.gain.mean == pytest.approx(6 / 9)
    assert [(p.method, p.classes) for p in whole] == [("nearest neighbours", 4), ("linear", 4)]
    assert all(p.nets["trained"].mean > p.nets["untrained"].mean for p in whole)


@pytest.mark.parametrize(
    ("each", "why"),
    [({}, "no readable image has a label"), ({"a": 9}, "fewer than 2 classes have more than 5 images")],
)
def test_probes_say_why_not(each: dict[str, int], why: str) -> None:
    assert probes("none", see(colours(each), NETS), FIVE) == ([], why)


def test_every_training_is_probed_on_draws_of_its_own() -> None:
    rng = np.random.default_rng(0)
    noise = see(colours({"a": 30, "b": 30}), {net: lambda pixels: rng.normal(size=(len(pixels), 3)) for net in NETS})
    first, again, second = (
        probes("noise", noise, PretrainSettings(shots=(1,), seed=seed))[0][0].nets["trained"].mean for seed in (0, 0, 1)
    )
    assert first == again != second
