"""Groups and keepers, on tables small enough to check by eye."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curate.ops.groups import connected, keepers
from curate.ops.nearest import NONE, Near, Ranks, sorted_pairs


def test_connected_groups_are_numbered_by_their_first_member() -> None:
    assert connected(6, np.array([4, 5, 1]), np.array([1, 0, 3])).tolist() == [0, 1, 2, 1, 1, 0]
    assert connected(3, *np.empty((2, 0), np.int64)).tolist() == [0, 1, 2]
    assert connected(0, *np.empty((2, 0), np.int64)).tolist() == []


class Known:
    """A search that is told who is near whom, and how far."""

    def __init__(self, far: dict[tuple[int, int], int], most: int = 9) -> None:
        self.most, self._far = most, far
        self._rows: Ranks = np.empty(0, np.int64)
        self._stay: list[int] = []

    def begin(self, rows: Ranks) -> None:
        self._rows = rows

    def kept(self) -> Near:
        found = self._between(self._stay)
        nth = np.arange(len(found.row)) - np.searchsorted(found.row, found.row)
        return found.only(nth < self.most)

    def among(self) -> Near:
        return self._between(self._rows.tolist())

    def keep(self, rows: Ranks) -> None:
        self._stay += rows.tolist()

    def _between(self, others: list[int]) -> Near:
        pairs = [(a, b, self._far[a, b]) for a in self._rows.tolist() for b in others if (a, b) in self._far]
        row, other, far = zip(*pairs, strict=True) if pairs else NONE
        return sorted_pairs(np.array(row, np.int64), np.array(other, np.int64), np.array(far, np.int32))


class Trusting:
    """Drops a row for the best of what it is held against, but for some pairs."""

    def __init__(self, not_: frozenset[tuple[int, int]] = frozenset()) -> None:
        self._not = not_

    def ahead(self, row: Ranks, other: Ranks) -> None:
        self._row, self._other = row, other

    def __call__(self, row: int, others: Ranks | None) -> int | None:
        held = self._other[self._row == row] if others is None else others
        return next((other for other in held.tolist() if (row, other) not in self._not), None)


def test_a_chain_drops_its_middle_only_for_a_kept_end() -> None:
    """0-1 and 1-2 are near, 0-2 are not; then the middle is the best, then the last."""
    for near, keeper in (([(1, 0), (2, 1)], [0, 0, 2]), ([(1, 0), (2, 0)], [0, 0, 0]), ([(2, 0), (2, 1)], [0, 1, 0])):
        assert keepers(3, 0, [Known(dict.fromkeys(near, 1))], Trusting()).tolist() == keeper


def test_rows_kept_before_are_not_dropped_whoever_is_near() -> None:
    near = Known(dict.fromkeys([(1, 0), (2, 1), (3, 2)], 1))
    assert keepers(4, 2, [near], Trusting()).tolist() == [0, 1, 1, 3]


def test_of_more_than_the_most_the_nearest_count_then_the_best() -> None:
    far = {(3, 0): 2, (3, 1): 1, (3, 2): 1}
    assert keepers(4, 0, [Known(far, most=1)], Trusting()).tolist() == [0, 1, 2, 1]
    assert keepers(4, 0, [Known(far, most=1)], Trusting(frozenset({(3, 1)}))).tolist() == [0, 1, 2, 3]
    assert keepers(4, 0, [Known(far, most=2)], Trusting(frozenset({(3, 1)}))).tolist() == [0, 1, 2, 2]


@given(st.data())
def test_every_dropped_row_has_a_kept_one_and_blocks_and_components_do_not_matter(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 12))
    pairs = [(a, b) for a in range(count) for b in range(a)]
    some = st.lists(st.sampled_from(pairs), unique=True) if pairs else st.just([])
    far = {pair: data.draw(st.integers(0, 2)) for pair in data.draw(some)}
    judge = Trusting(frozenset(data.draw(some)))
    fixed, most = data.draw(st.integers(0, count)), data.draw(st.integers(1, 3))
    want = keepers(count, fixed, [Known(far, most)], judge).tolist()
    for block in (1, 2, 5):
        assert keepers(count, fixed, [Known(far, most)], judge, block).tolist() == want
    assert all(want[keeper] == keeper and (row, keeper) in far for row, keeper in enumerate(want) if keeper != row)
    assert want[:fixed] == list(range(fixed))
    component = connected(count, *np.array([*far], np.int64).reshape(-1, 2).T)
    for number in np.unique(component):
        members = np.flatnonzero(component == number).tolist()
        at = {row: place for place, row in enumerate(members)}
        inside = {(at[a], at[b]): d for (a, b), d in far.items() if a in at}
        apart = Trusting(frozenset((at[a], at[b]) for a, b in judge._not if a in at and b in at))
        alone = keepers(len(members), sum(m < fixed for m in members), [Known(inside, most)], apart)
        assert [members[keeper] for keeper in alone.tolist()] == [want[member] for member in members]
