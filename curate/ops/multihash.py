"""Near hashes among many, exactly, without comparing all: multi-index hashing (Norouzi, Punjani, Fleet 2012).

Of 256 bits 252 are cut in 12 chunks of 21, three of each class of bits. Two hashes that differ in `radius` bits or less
differ in `radius // 12` or less in one chunk at least, so it is enough to look up each chunk and all that is so many
flips away from it:

    radius   flips   look-ups a hash
      0-11       0                12
     12-23       1               264
     24-35       2             2,784
     36-47       3            18,744

A mirrored hash differs by whole classes flipped (`curate.ops.turns`). So where mirrored and turned pictures are asked
for, chunks are looked up to their complement, and the hash as it is and laid: twice the look-ups, for eight ways.

Where comparing all is quicker than looking up, all are compared: of few rows, and of a row whose chunks are those of
many. What is found is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.ops.nearest import Near, Ranks, places
from curate.ops.postings import Postings, lengths
from curate.ops.turns import WORD_BITS, WORDS, Words, apart, words

CHUNKS, CHUNK_BITS = 12, 21
LARGEST_RADIUS = 47
MOST = 64
"""Nearest hashes that a row is given; those of one flat ground can be near to all others."""
_PAIRS_A_LOOKUP = 10
"""Hashes compared in the time of one look-up."""
_AT_ONCE = 2**18
"""Look-ups made, pairs looked at, or pairs held, at once."""


class Chunk(NamedTuple):
    """Bits of a word: which word, the first bit, how many; they go on at the word's other end."""

    word: int
    first: int
    bits: int

    def of(self, hashes: Words, *, turns: bool) -> NDArray[np.int64]:
        """The chunk of hashes, (..., 4) -> (...); with `turns` folded, where the word may be flipped."""
        word = hashes[..., self.word]
        if self.first:
            word = word >> np.uint64(self.first) | word << np.uint64(WORD_BITS - self.first)
        return self.folded((word & np.uint64(self._all)).astype(np.int64), turns=turns)

    def folded(self, values: NDArray[np.int64], *, turns: bool) -> NDArray[np.int64]:
        """Values of the chunk or their complement, whose last bit is 0."""
        return values ^ (values >> self.bits - 1) * self._all if turns and self.word else values

    @property
    def _all(self) -> int:
        return (1 << self.bits) - 1

    def flips(self, most: int, *, turns: bool) -> NDArray[np.int64]:
        """What is to be flipped in a value to look up all that is up to `most` flips away, (F,)."""
        ones = np.int64(1) << np.arange(self.bits)
        found = level = np.zeros(1, np.int64)
        for _ in range(most):
            level = np.unique(level[:, None] | ones)
            level = level[~np.isin(level, found)]
            found = np.concatenate([found, level])
        return self.folded(found, turns=turns)


CUT = tuple(Chunk(i * WORDS // CHUNKS, i % (CHUNKS // WORDS) * CHUNK_BITS, CHUNK_BITS) for i in range(CHUNKS))
"""The chunks of a hash."""


def lookups(radius: int, cut: Sequence[Chunk] = CUT) -> int:
    """Look-ups for one hash in one way."""
    return sum(comb(chunk.bits, flips) for chunk in cut for flips in range(radius // CHUNKS + 1))


class Hits(NamedTuple):
    """Pairs, in any order, some of them several times: who asked, (P,), the row found, (P,), how far in bits, (P,)."""

    asked: NDArray[np.int64]
    row: NDArray[np.int64]
    far: NDArray[np.int32]


_ROW_BITS = np.int64(32)
_ROW = np.int64(2**32 - 1)


class HashIndex:
    """A growing set of hashes that finds all within a radius: rows 0, 1, ... in the order in which they are added."""

    def __init__(self, rows: int, radius: int, *, turns: bool, cut: Sequence[Chunk] = CUT) -> None:
        """For up to so many rows. Other chunks may be looked up, if what is sought is as near in one; without, none."""
        self._radius, self._turns, self._cut, self._count = radius, turns, cut, 0
        self._words, self._first = np.empty((rows, WORDS), np.uint64), np.empty(rows, np.uint64)
        self._postings: Postings | None = None
        self._lookups = lookups(radius, cut)
        if cut and rows >= self._lookups * _PAIRS_A_LOOKUP:
            self._postings = Postings(len(cut) << CHUNK_BITS)
            flips = [chunk.flips(radius // CHUNKS, turns=turns) for chunk in cut]
            self._flips = [flip | np.int64(i << CHUNK_BITS) for i, flip in enumerate(flips)]

    def add(self, hashes: Words) -> None:
        """Add hashes as they are, (N, 4)."""
        new = np.arange(self._count, self._count + len(hashes))
        self._words[new], self._first[new] = hashes, hashes[:, 0]
        self._count += len(hashes)
        if self._postings:
            keys = [chunk.of(hashes, turns=self._turns) | i << CHUNK_BITS for i, chunk in enumerate(self._cut)]
            self._postings.add(np.concatenate(keys), np.tile(new, len(keys)))

    def near(self, asked: Words) -> Iterator[Hits]:
        """All within the radius of any way of the hashes asked, (W, N, 4), some at a time."""
        for way in asked:
            if self._postings is None:
                yield from self._compared(way, np.arange(len(way)))
                continue
            step = max(1, _AT_ONCE // self._lookups)
            for start in range(0, len(way), step):
                yield from self._looked_up(self._postings, way, np.arange(start, min(len(way), start + step)))

    def _looked_up(self, postings: Postings, asked: Words, which: NDArray[np.int64]) -> Iterator[Hits]:
        """What is near to `which` of (N, 4), by look-ups where these give fewer rows than there are."""
        chunks = [chunk.of(asked[which], turns=self._turns)[:, None] for chunk in self._cut]
        lists = postings.lists(np.hstack([chunk ^ flips for chunk, flips in zip(chunks, self._flips, strict=True)]))
        crowded = lengths(lists).sum(axis=1) > self._count
        yield from self._compared(asked, which[crowded])
        who, place = np.nonzero((lists > 0) & ~crowded[:, None])
        who, lists = which[who], lists[who, place]
        full = np.cumsum(lengths(lists)) // _AT_ONCE
        for some in np.split(np.arange(len(lists)), np.flatnonzero(np.diff(full)) + 1):
            rows = postings.numbers(lists[some]).astype(np.int64)
            at = np.repeat(who[some], lengths(lists[some]))
            near = np.bitwise_count(asked[at, 0] ^ self._first[rows]) <= self._radius
            yield self._near(asked, at[near], rows[near])

    def _compared(self, asked: Words, which: NDArray[np.int64]) -> Iterator[Hits]:
        """What is near to `which` of (N, 4), by comparing all."""
        step = max(1, _AT_ONCE // max(1, len(which)))
        for start in range(0, self._count if len(which) else 0, step):
            first = np.bitwise_count(asked[which, :1] ^ self._first[start : min(self._count, start + step)])
            at, row = np.divmod(np.flatnonzero(first <= self._radius), first.shape[1])
            yield self._near(asked, which[at], start + row)  # word 0 is never flipped, and tells most apart

    def _near(self, asked: Words, at: NDArray[np.int64], rows: NDArray[np.int64]) -> Hits:
        """Of pairs, those that are near."""
        far = apart(asked[at], self._words[rows], turns=self._turns)
        near = far <= self._radius
        return Hits(at[near], rows[near], far[near])


class _Nearest:
    """Of each of N that ask the MOST nearest, of equally near ones the lesser row; told in any order, bounded."""

    def __init__(self, asking: int) -> None:
        self._farthest = np.full(asking, np.iinfo(np.int64).max)
        self._held, self._count = [np.empty((2, 0), np.int64)], 0

    def add(self, hits: Hits) -> None:
        key = hits.far.astype(np.int64) << _ROW_BITS | hits.row
        nearer = key < self._farthest[hits.asked]
        self._held.append(np.stack([hits.asked[nearer], key[nearer]]))
        self._count += int(nearer.sum())
        if self._count > _AT_ONCE:
            self._settle()

    def _settle(self) -> None:
        asked, key = np.concatenate(self._held, axis=1)
        asked, key = np.stack([asked, key])[:, np.lexsort((key, asked))]
        once = np.unique(asked << _ROW_BITS | key & _ROW, return_index=True)[1]  # the first is the nearest
        asked, key = np.stack([asked, key])[:, np.sort(once)]
        number = places(asked)
        last = number == MOST - 1
        self._farthest[asked[last]] = key[last]
        self._held, self._count = [np.stack([asked, key])[:, number < MOST]], 0

    def told(self) -> Hits:
        """The nearest, sorted by who asked, then the nearest first."""
        self._settle()
        asked, key = self._held[0]
        return Hits(asked, key & _ROW, (key >> _ROW_BITS).astype(np.int32))


class HashSearch:
    """The nearest of the 256-bit hashes kept so far; see `curate.ops.nearest.Search`. Distances in bits, where mirrored
    and turned pictures are asked for too the least of the eight.
    """

    most = MOST

    def __init__(self, hashes: NDArray[np.uint8], ranks: Ranks, radius: int, *, turns: bool = False) -> None:
        """`hashes`, (N, 32), and the row `ranks`, (R,), that stand for rank 0, 1, ... in them."""
        self._hashes, self._ranks, self._radius, self._turns = hashes, ranks, radius, turns
        self._index = HashIndex(len(ranks), radius, turns=turns)
        self._kept, self._count = np.empty(len(ranks), np.int64), 0

    def begin(self, rows: Ranks) -> None:
        self._rows = rows
        self._asked = words(self._hashes[self._ranks[rows]], turns=self._turns)

    def kept(self) -> Near:
        nearest = _Nearest(len(self._rows))
        for hits in self._index.near(self._asked):
            nearest.add(hits)
        asked, row, far = nearest.told()
        return Near(self._rows[asked], self._kept[row], far)

    def among(self) -> Near:
        block = HashIndex(len(self._rows), self._radius, turns=self._turns, cut=())
        block.add(self._asked[0])
        far = np.full((len(self._rows), len(self._rows)), self._radius + 1, np.int32)
        for asked, row, bits in block.near(self._asked):
            far[asked, row] = np.minimum(far[asked, row], bits)
        row, other = np.nonzero(np.tril(far <= self._radius, -1))
        return Near(self._rows[row], self._rows[other], far[row, other])

    def keep(self, rows: Ranks) -> None:
        self._index.add(self._asked[0, np.searchsorted(self._rows, rows)])
        self._kept[self._count : self._count + len(rows)] = rows
        self._count += len(rows)
