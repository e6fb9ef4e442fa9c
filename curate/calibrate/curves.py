"""Recall and false pairs at every threshold, and the choice: the lowest threshold that keeps to the stated rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.ops.intervals import at_most

Floats = NDArray[np.float64]
GRIDS = {"min_similarity": (0.5, 1.0), "min_agreement": (0.2, 1.0)}
"""The thresholds looked at, of each check, in steps of .01. Below, pictures are not alike by any measure."""


@dataclass(frozen=True)
class Point:
    """What one check alone does at a threshold: copies found, strangers let through, both also as shares.

    `at_most_per_million` is the upper 95 % bound of the false pairs' rate: 3 of n million where none was seen of n.
    """

    threshold: float
    found: int
    recall: float
    false: int
    false_per_million: float
    at_most_per_million: float


@dataclass(frozen=True)
class Choice:
    """A threshold, and whether the stated rate is proven for it: if not, too few pairs were seen to prove it."""

    threshold: float
    proven: bool


def grid(check: str) -> Floats:
    """The thresholds looked at of a check, rising."""
    low, high = GRIDS[check]
    return np.linspace(low, high, round((high - low) * 100) + 1).round(2)


def curve(thresholds: Floats, own: Floats, others: Floats, pairs: int) -> list[Point]:
    """Points from scores: of copies with their own image (C,); of `pairs` others, of which (F,) were proposed."""
    points = []
    for threshold in thresholds.tolist():
        found, false = (int((scores >= threshold).sum()) for scores in (own, others))
        rate, bound = (1e6 * share for share in (false / max(1, pairs), at_most(false, pairs)))
        points.append(Point(threshold, found, found / max(1, len(own)), false, rate, bound))
    return points


def most_false(rate: float, pairs: int) -> int | None:
    """How many false pairs may be seen among `pairs` so that 95 % of the time there are no more than `rate`.

    None where even none seen does not prove it: that takes 3 / `rate` pairs.
    """
    if at_most(0, pairs) > rate:
        return None
    low, high = 0, 1
    while at_most(high, pairs) <= rate:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at_most(middle, pairs) <= rate else (low, middle)
    return low


def choose(points: Sequence[Point], allowed: int | None, default: float) -> Choice:
    """The lowest threshold that lets no more than `allowed` false pairs through.

    Where nothing can be proven (`allowed` is None) it lets none through that was seen, and is not below the `default`.
    The highest where none is strict enough.
    """
    strict = [point.threshold for point in points if point.false <= (allowed or 0)]
    lowest = min(strict, default=points[-1].threshold)
    if allowed is None:
        return Choice(max(lowest, default), proven=False)
    return Choice(lowest, proven=bool(strict))
