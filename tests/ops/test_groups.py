"""Groups and keepers, on tables small enough to check by eye."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from curate.ops.groups import connected, keepers


def test_connected_groups_are_numbered_by_their_first_member() -> None:
    assert connected(6, [(4, 1), (5, 0), (1, 3)]).tolist() == [0, 1, 2, 1, 1, 0]
    assert connected(3, []).tolist() == [0, 1, 2]
    assert connected(0, []).tolist() == []


def test_a_chain_drops_its_middle_only_for_a_kept_end() -> None:
    """a-b and b-c are near, a-c are not: whoever is best, a dropped row is dropped for a kept one."""
    near = {0: [0, 1], 1: [0, 1, 2], 2: [1, 2]}
    want = {(0, 1, 2): [0, 0, 2], (1, 0, 2): [1, 1, 1], (2, 1, 0): [0, 2, 2]}
    for order, keeper in want.items():
        found = keepers(np.array(order), np.arange(3), near, lambda row, kept: kept[0])
        assert found.tolist() == keeper, order


@given(st.data())
def test_every_dropped_row_has_a_kept_one_near_and_no_two_kept_are_near(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 14))
    cells = np.array(data.draw(st.lists(st.integers(0, 6), min_size=count, max_size=count)), np.int64)
    close = {frozenset(pair) for pair in data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6))))}
    near = {c: [d for d in range(7) if c == d or frozenset((c, d)) in close] for c in range(7)}
    order = np.array(data.draw(st.permutations(range(count))), np.int64)
    alike = {frozenset(p) for p in data.draw(st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), max_size=60))}

    def judge(row: int, kept: list[int]) -> int | None:
        return next((k for k in sorted(kept) if frozenset((row, k)) in alike), None)

    def duplicate(a: int, b: int) -> bool:
        return cells[b] in near[int(cells[a])] and frozenset((a, b)) in alike

    keeper = keepers(order, cells, near, judge)
    kept = [row for row in range(count) if keeper[row] == row]
    assert all(keeper[k] == k and duplicate(row, k) for row, k in enumerate(keeper.tolist()) if k != row)
    assert not any(duplicate(a, b) for a in kept for b in kept if a != b)
    again = keepers(np.array([r for r in order if r in kept], np.int64), cells, near, judge)[: len(kept)]
    assert again.tolist() == list(range(len(kept)))
