"""Wilson's interval against scipy's."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from curate.report.intervals import wilson


@pytest.mark.parametrize(("found", "of"), [(0, 1), (1, 1), (0, 50), (3, 10), (24, 144), (999, 1000), (7, 50_000)])
def test_wilson_is_scipys(found: int, of: int) -> None:
    theirs = binomtest(found, of).proportion_ci(method="wilson")
    assert wilson(found, of) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson(0, 0) == (0, 1)
