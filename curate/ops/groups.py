"""Keepers: which samples stay, so that every dropped one has a kept one near it.

Rows come in the order of their rank, the best first. A row is dropped only for a row that is *kept*: never for one that
was itself dropped, which would chain unrelated pictures together. What becomes of a row depends on the rows of its own
component of candidates alone, so components may be decided apart, and blocks be of any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from curate.ops.nearest import NONE, Near, Ranks, Search, joined

BLOCK = 1024
"""Rows searched at a time, and compared with one another: what is kept within a block is in no index yet."""


class Judge(Protocol):
    """Has the last word on candidates."""

    def ahead(self, row: Ranks, other: Ranks) -> None:
        """Told the pairs of a block's rows and kept rows before the block, sorted: it may look at them at once."""

    def __call__(self, row: int, others: Ranks | None) -> int | None:
        """The one of `others` that the row is dropped for; None if it is new.

        All of them are kept, and ascending; None for those that it was told ahead.
        """


def keepers(count: int, fixed: int, searches: Sequence[Search], judge: Judge, block: int = BLOCK) -> Ranks:
    """Choose keepers among ranks 0..count-1, of which the first `fixed` are kept already -> (count,) keepers.

    The keeper of a row that is kept is itself. Every row is looked at once, against the nearest of the rows kept.
    """
    keeper = np.arange(count)
    for rows in _blocks(count, fixed, block):
        for search in searches:
            search.begin(rows)
        if rows[0] >= fixed:
            _decide(rows, keeper, searches, judge)
        stay = rows[keeper[rows] == rows]
        for search in searches:
            search.keep(stay)
    return keeper


def _blocks(count: int, fixed: int, block: int) -> Iterator[Ranks]:
    for first, last in ((0, fixed), (fixed, count)):
        for start in range(first, last, block):
            yield np.arange(start, min(last, start + block))


def _decide(rows: Ranks, keeper: Ranks, searches: Sequence[Search], judge: Judge) -> None:
    """Decide the rows of a block one by one: those before them in the block count once they are kept."""
    earlier, inside = [search.kept() for search in searches], [search.among() for search in searches]
    told = np.unique(np.concatenate([near.row * len(keeper) + near.other for near in earlier]))
    judge.ahead(told // len(keeper), told % len(keeper))
    before, beside = [_by_row(near) for near in earlier], [_by_row(near) for near in inside]
    for row in _rows([*earlier, *inside]):
        kept = [_only(near[row], keeper) if row in near else NONE for near in beside]
        if any(len(near.row) for near in kept):
            found = [near.get(row, NONE) for near in before]
            both = zip(searches, found, kept, strict=True)
            others = [joined(a, b).other[: search.most] if len(b.row) else a.other for search, a, b in both]
            chosen = judge(row, np.unique(np.concatenate(others)))
        else:
            chosen = judge(row, None)
        if chosen is not None:
            keeper[row] = chosen


def _rows(found: Sequence[Near]) -> list[int]:
    """All rows that have a candidate, ascending."""
    rows: list[int] = np.unique(np.concatenate([near.row for near in found])).tolist()
    return rows


def _by_row(near: Near) -> dict[int, Near]:
    """The pairs of each row."""
    rows, starts = np.unique(near.row, return_index=True)
    ends = np.searchsorted(near.row, rows, side="right")
    cut = zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True)
    return {row: near.only(slice(start, end)) for row, start, end in cut}


def _only(near: Near, keeper: Ranks) -> Near:
    """The pairs whose other row is kept."""
    kept = keeper[near.other] == near.other
    return near if kept.all() else near.only(kept)


def connected(count: int, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the connected components of 0..count-1 under links a-b, in order of their first member: (count,) int64."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    _, label = connected_components(links, directed=False)
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[inverse]
