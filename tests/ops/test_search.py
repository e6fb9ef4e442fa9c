"""Search, verdicts, views and keepers on tables small enough to check by eye."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.ops.groups import connected, keepers
from curate.ops.hashing import view
from curate.ops.verify import similarity, square_of
from curate.ops.views import TURNS, regions, thumbnail, turned
from tests.pictures import draw


def test_similarity_is_correlation() -> None:
    a = np.arange(64, dtype=np.uint8)[None]
    rng = np.random.default_rng(0).integers(0, 256, (1, 64), np.uint8)
    assert similarity(a, a).tolist() == [1]
    assert similarity(a, a * 2 + 9).tolist() == pytest.approx([1])  # brightness and contrast are edits
    assert similarity(a, 200 - a).tolist() == pytest.approx([-1])
    assert similarity(a, np.full_like(a, 5)).tolist() == [0]
    assert similarity(a, rng).tolist() == pytest.approx([np.corrcoef(a[0], rng[0])[0, 1]], rel=1e-5)
    assert similarity(a, rng) == similarity(rng, a) == similarity(np.repeat(a, 3, 0), np.repeat(rng, 3, 0))[:1]


def test_square_of_a_thumbnail_is_the_thumbnail_of_the_square() -> None:
    for width, height in ((192, 128), (128, 192), (300, 100)):
        grey = draw(3, width, height)[..., 1]
        whole, square = (thumbnail(seen)[None] for seen in regions(grey))
        cut = square_of(whole[0], width, height)[None]
        assert similarity(cut, square)[0] > 0.99 > similarity(whole, square)[0]
    assert square_of(whole[0], 50, 50) is whole[0] or np.array_equal(square_of(whole[0], 50, 50), whole[0])


def test_turned_views_have_names_and_are_all_there_is() -> None:
    grey = draw(1, 192, 128)[..., 0]
    named = dict(turned(regions(grey), square=False))
    assert list(named)[:3] == ["whole", "whole+mirror", "whole+flip"]
    assert len(named) == len({v.tobytes() for v in named.values()}) == 16
    assert np.array_equal(named["whole+mirror"], view(grey)[:, ::-1])
    assert np.array_equal(named["square+rot90"], np.rot90(view(grey[:, 32:160])))
    assert list(dict(turned(regions(grey[:, :128]), square=True))) == [f"whole{turn}" for turn in TURNS]


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
