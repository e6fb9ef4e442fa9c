"""Near hashes among many, exactly, without comparing all: multi-index hashing (Norouzi, Punjani, Fleet 2012).

Of 256 bits 252 are cut in 12 chunks of 21. Two hashes that differ in `radius` bits or less differ in `radius // 12` or
less in one chunk at least, so it is enough to look up each chunk and all that is so many flips away from it:

    radius   flips   look-ups a hash
      0-11       0                12
     12-23       1               264
     24-35       2             2,784
     36-47       3            18,744

The bits are shuffled before they are cut, so that each chunk says as much as another. Where there are so few rows that
comparing all is quicker, all are compared; what is found is the same.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.ops.nearest import NONE, Near, Ranks, sorted_pairs
from curate.ops.turns import turned

CHUNKS, CHUNK_BITS = 12, 21
LARGEST_RADIUS = 47
MOST = 64
"""Nearest hashes that a row is given; those of one flat ground can be near to all others."""
_BITS = 256
_PAIRS_A_LOOKUP = 40
"""Hashes compared in the time of one look-up."""
_SHUFFLED = np.random.default_rng(256).permutation(_BITS)


def lookups(radius: int) -> int:
    """Look-ups for one hash."""
    return CHUNKS * sum(comb(CHUNK_BITS, flips) for flips in range(radius // CHUNKS + 1))


def shuffled(hashes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Hashes with their bits in the order in which they are cut, (N, 32)."""
    return np.packbits(np.unpackbits(hashes, axis=1)[:, _SHUFFLED], axis=1)


class HashSearch:
    """The nearest of the 256-bit hashes kept so far; see `curate.ops.nearest.Search`. Distances in bits, where mirrored
    and turned pictures are asked for too the least of the eight.
    """

    most = MOST

    def __init__(self, hashes: NDArray[np.uint8], ranks: Ranks, radius: int, *, turns: bool = False) -> None:
        """`hashes`, (N, 32), and the row `ranks`, (R,), that stand for rank 0, 1, ... in them."""
        self._hashes, self._ranks, self._radius, self._turns = hashes, ranks, radius, turns
        self._index: Any = None
        self._kept, self._count = np.empty(len(ranks), np.int64), 0
        self._rows = ranks[:0]
        self._asked = np.empty((0, _BITS // 8), np.uint8)

    def begin(self, rows: Ranks) -> None:
        self._rows = rows
        hashes = self._hashes[self._ranks[rows]]
        self._asked = shuffled(turned(hashes).reshape(-1, hashes.shape[1]) if self._turns else hashes)

    def kept(self) -> Near:
        wide = min(MOST + 1, self._count)
        if not wide:
            return NONE
        far, found = self._index.search(self._asked, wide)
        crowded = np.flatnonzero(far[:, -1] <= self._radius) if wide > MOST else np.empty(0, np.int64)
        if len(crowded) and not _is_flat(self._index):
            far[crowded], found[crowded] = _flat(self._index.storage).search(self._asked[crowded], wide)
        near = (found >= 0) & (far <= self._radius)
        near[:, MOST:] = False
        asked, place = np.nonzero(near)
        rows = self._rows[asked % len(self._rows)]
        return _nearest(sorted_pairs(rows, self._kept[found[asked, place]], far[asked, place]), self._turns)

    def among(self) -> Near:
        signs = np.unpackbits(self._asked, axis=1).astype(np.float32) * 2 - 1
        own = signs[: len(self._rows)]
        # whole numbers: bits - 2 * distance
        alike = (signs @ own.T).reshape(-1, len(own), len(own)).max(axis=0) if len(own) else signs @ own.T
        row, other = np.nonzero(np.tril(alike >= _BITS - 2 * self._radius, -1))
        far = ((_BITS - alike[row, other]) / 2).astype(np.int32)
        return Near(self._rows[row], self._rows[other], far)

    def keep(self, rows: Ranks) -> None:
        if self._index is None:
            self._index = _index(self._radius, len(self._ranks))
        self._index.add(self._asked[np.searchsorted(self._rows, rows)])
        self._kept[self._count : self._count + len(rows)] = rows
        self._count += len(rows)


def _nearest(near: Near, turns: bool) -> Near:
    """Of sorted pairs each once, at its least distance, and of each row the nearest MOST."""
    if not turns or not len(near.row):
        return near
    pair = np.unique(near.row << np.int64(32) | near.other, return_index=True)[1]  # the first is the nearest
    once = near.only(np.sort(pair))
    number = np.arange(len(once.row)) - np.searchsorted(once.row, once.row)
    return once.only(number < MOST)


def _index(radius: int, rows: int) -> Any:
    import faiss

    if rows < lookups(radius) * _PAIRS_A_LOOKUP:
        return _flat(faiss.IndexBinaryFlat(_BITS))
    index = faiss.IndexBinaryMultiHash(_BITS, CHUNKS, CHUNK_BITS)
    index.nflip = radius // CHUNKS
    return index


def _flat(index: Any) -> Any:
    index.use_heap = False  # counts instead: of equally near ones it gives the first
    return index


def _is_flat(index: Any) -> bool:
    import faiss

    return isinstance(index, faiss.IndexBinaryFlat)
