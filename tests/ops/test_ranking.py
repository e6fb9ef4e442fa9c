"""Two orders made one."""

from __future__ import annotations

import pytest

from curate.ops.ranking import by_turns


@pytest.mark.parametrize(
    ("one", "other", "most", "taken"),
    [
        ([0, 1, 2], [2, 0, 1], 3, [0, 2, 1]),
        ([0, 1, 2], [2, 0, 1], 2, [0, 2]),
        ([5], [7, 8, 9], 9, [5, 7, 8, 9]),
        ([], [3], 1, [3]),
        ([3], [4], 0, []),
    ],
)
def test_each_number_once_by_turns(one: list[int], other: list[int], most: int, taken: list[int]) -> None:
    assert by_turns(one, other, most) == taken
