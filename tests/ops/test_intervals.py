"""Intervals against scipy's, and against what one works out by hand."""

from __future__ import annotations

import pytest
from scipy.stats import binom, binomtest

from curate.ops.intervals import at_most, clopper_pearson, wilson

SHARES = [(0, 1), (1, 1), (0, 50), (3, 10), (24, 144), (999, 1000), (7, 50_000)]


@pytest.mark.parametrize(("found", "of"), SHARES)
def test_intervals_are_scipys(found: int, of: int) -> None:
    for ours, name in ((wilson, "wilson"), (clopper_pearson, "exact")):
        theirs = binomtest(found, of).proportion_ci(method=name)
        assert ours(found, of) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


@pytest.mark.parametrize(("found", "of"), SHARES)
@pytest.mark.parametrize("level", [0.5, 0.995])
def test_exact_intervals_of_any_level_are_scipys(found: int, of: int, level: float) -> None:
    theirs = binomtest(found, of).proportion_ci(level, "exact")
    assert clopper_pearson(found, of, level) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == clopper_pearson(0, 0) == (0, 1)
    assert at_most(0, 0) == 1


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.995])
def test_the_exact_interval_holds_the_share_at_least_95_times_in_100(share: float) -> None:
    """Over all that can be found of 40, each as often as it comes."""
    chances = binom.pmf(range(41), 40, share)
    held = sum(chance for k, chance in enumerate(chances) if _within(clopper_pearson(k, 40), share))
    assert held >= 0.95
    assert sum(chance for k, chance in enumerate(chances) if at_most(k, 40) >= share) >= 0.95


def test_three_over_n_where_none_was_seen() -> None:
    assert at_most(0, 3_000_000) == pytest.approx(3 / 3_000_000, rel=0.002)
    assert at_most(1, 1_000_000) == pytest.approx(4.74e-6, rel=0.01)


def _within(interval: tuple[float, float], share: float) -> bool:
    return interval[0] <= share <= interval[1]
