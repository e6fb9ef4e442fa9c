"""Two orders of the same things made one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, zip_longest


def by_turns(one: Iterable[int], other: Iterable[int], most: int) -> list[int]:
    """The first `most` of two orders, taken by turns, each number once; the longer goes on where the other ends."""
    pairs = zip_longest(one, other)
    return list(islice(dict.fromkeys(number for pair in pairs for number in pair if number is not None), most))
