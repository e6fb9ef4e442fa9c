"""What a growing search gives: of each row that asks, the nearest rows kept so far, and the pairs among those that ask.

Rows are known by their rank, the best first, and asked for and kept in this order. So the lesser number is the better
row, and wins where two are equally near.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]


class Near(NamedTuple):
    """Pairs, sorted by `row`: (P,) ranks that asked, (P,) better ranks near them, (P,) how far, the less the nearer."""

    row: Ranks
    other: Ranks
    far: NDArray[np.int32]

    def only(self, which: Any) -> Near:
        """Some of the pairs: a slice, a mask or numbers."""
        return Near(self.row[which], self.other[which], self.far[which])


class Search(Protocol):
    """Finds what may be near. Rows come block by block: `begin`, `kept`, `among`, then `keep`."""

    most: int
    """How many of the nearest kept rows a row may have; the lesser rank first where several are equally near."""

    def begin(self, rows: Ranks) -> None:
        """Turn to the rows of the next block, ascending."""

    def kept(self) -> Near:
        """Of each row of the block, the `most` nearest rows kept in earlier blocks that are near enough."""

    def among(self) -> Near:
        """All pairs of the block that are near enough, whether they will be kept or not."""

    def keep(self, rows: Ranks) -> None:
        """Keep these rows of the block."""


def sorted_pairs(row: Ranks, other: Ranks, far: NDArray[np.int32]) -> Near:
    """Pairs in order: by row, then the nearest, then the better."""
    return Near(row, other, far).only(np.lexsort((other, far, row)))


def joined(one: Near, other: Near) -> Near:
    """Both, in order."""
    far = np.concatenate([one.far, other.far])
    return sorted_pairs(np.concatenate([one.row, other.row]), np.concatenate([one.other, other.other]), far)


def places(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of sorted rows, each one's place among its equals, from 0: (P,) -> (P,)."""
    return np.arange(len(rows)) - np.searchsorted(rows, rows)


NONE = Near(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))
