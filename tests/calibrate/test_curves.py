"""The choice of a threshold, on curves that one can check by eye."""

from __future__ import annotations

import numpy as np
import pytest

from curate.calibrate.curves import Choice, Point, choose, curve, grid, most_false
from curate.ops.intervals import at_most
from curate.stages.contamination import ContaminationSettings

OWN = np.array([0.95, 0.85, 0.7, -1.0])
"""Four copies: three meet their image, the last does not."""
OTHERS = np.array([0.72, 0.61, 0.6])
"""Of a million strangers, three are proposed."""
POINTS = curve(np.array([0.5, 0.6, 0.7, 0.8, 0.9]), OWN, OTHERS, 1_000_000)


def test_the_curve_is_counted_by_hand() -> None:
    assert [(p.threshold, p.found, p.recall, p.false, p.false_per_million) for p in POINTS] == [
        (0.5, 3, 0.75, 3, 3.0),
        (0.6, 3, 0.75, 3, 3.0),
        (0.7, 3, 0.75, 1, 1.0),
        (0.8, 2, 0.5, 0, 0.0),
        (0.9, 1, 0.25, 0, 0.0),
    ]
    assert [p.at_most_per_million for p in POINTS] == [pytest.approx(1e6 * at_most(p.false, 10**6)) for p in POINTS]
    assert POINTS[-1].at_most_per_million == pytest.approx(3, rel=0.01)


@pytest.mark.parametrize(
    ("allowed", "threshold"), [(0, 0.8), (1, 0.7), (2, 0.7), (3, 0.5)], ids=["none", "one", "two", "three"]
)
def test_the_lowest_threshold_that_keeps_to_the_rate(allowed: int, threshold: float) -> None:
    assert choose(POINTS, allowed, default=0.85) == Choice(threshold, proven=True)


@pytest.mark.parametrize(("default", "threshold"), [(0.7, 0.8), (0.85, 0.85)])
def test_what_is_not_proven_is_not_below_the_default(default: float, threshold: float) -> None:
    assert choose(POINTS, None, default) == Choice(threshold, proven=False)


def test_where_no_threshold_is_strict_enough_the_highest_is_said_to_be_no_proof() -> None:
    assert choose(POINTS[:3], 0, default=0.5) == Choice(0.7, proven=False)


@pytest.mark.parametrize(
    ("rate", "pairs", "allowed"),
    [(1e-6, 2_990_000, None), (1e-6, 2_996_000, 0), (1e-6, 4_744_000, 1), (1e-3, 10, None), (0.5, 20, 5)],
)
def test_how_many_false_pairs_may_be_seen(rate: float, pairs: int, allowed: int | None) -> None:
    """None of 3 million, one of 4.744 million: Poisson's upper bounds are 2.996 and 4.744."""
    assert most_false(rate, pairs) == allowed
    if allowed is not None:
        assert at_most(allowed, pairs) <= rate < at_most(allowed + 1, pairs)


def test_nothing_seen_proves_nothing() -> None:
    nothing: list[Point] = curve(grid("min_agreement"), np.empty(0), np.empty(0), 0)
    assert most_false(1e-6, 0) is None
    assert (nothing[0].recall, nothing[0].at_most_per_million) == (0, 1e6)
    assert choose(nothing, None, 0.4) == Choice(0.4, proven=False)


def test_the_grids_hold_the_defaults() -> None:
    for check in ("min_similarity", "min_agreement"):
        assert getattr(ContaminationSettings(), check) in grid(check)
    assert grid("min_similarity")[[0, -1]].tolist() == [0.5, 1.0]
