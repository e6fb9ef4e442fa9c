"""Buckets in which near rows meet, and the links that connect what is near in a bucket.

Two hashes of 252 bits in 12 chunks that differ in `radius` bits or less differ in `flips = radius // 12` or less in one
chunk at least, so that of the flips + 1 pieces of that chunk one is equal in both: it names their bucket. Descriptors
meet in the cells that they ask, digests by their beginning.

Of hashes there are as many buckets for any corpus, so in a bucket not all are compared: of those whose piece is equal
it is enough to look up the whole chunk. Where the rows of one chunk are many too, all chunks are looked up, with the
word that the piece is of cut anew, beside the piece. So what a row costs hardly grows with its bucket: at radius 23
18 us of CPU among 32,000 rows, 30 among 130,000, 51 among 520,000 (by the chunk alone 24, 97 and more).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import comb

import numpy as np
from numpy.typing import NDArray

from curate.ops.groups import connected
from curate.ops.multihash import CHUNK_BITS, CHUNKS, CUT, Chunk, HashIndex, lookups
from curate.ops.nearest import Ranks
from curate.ops.turns import WORD_BITS, WORDS, Words

Find = Callable[[Ranks, Ranks], Iterator[tuple[Ranks, Ranks]]]
"""Rows that ask, (A,), and others, (B,) -> pairs of one and another that are near, some at a time; others that were
not given before are not given again.
"""
DIGEST, HASH, CELL = (np.int64(kind << 58) for kind in range(3))
"""What kind of bucket it is stands in the upper bits of its number."""
_BATCH, _MOST_ASKING = 256, 4096
"""Rows that ask at once: few where they find many, since what is found is not asked for again."""
_FEW = 1000
"""Rows of a bucket up to which comparing all is quicker than an index that is asked once: of 260 in .6 ms, not 1.6."""
_CROWD = 32_768
"""Rows of a bucket from which on the look-up of all chunks is worth its index."""


def kind(bucket: int) -> int:
    """DIGEST, HASH or CELL."""
    return bucket >> 58 << 58


def digest_buckets(digests: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N, 32) -> (N, 1)."""
    return (np.ascontiguousarray(digests[:, :8]).view(">u8") >> np.uint64(6)).astype(np.int64) | DIGEST


def hash_buckets(hashes: Words, radius: int, *, turns: bool) -> NDArray[np.int64]:
    """(N, 4) -> (N, 12 * pieces); with `turns` mirrored hashes have the same."""
    columns = [piece.of(hashes, turns=turns) | i << CHUNK_BITS for i, piece in enumerate(pieces(radius))]
    return HASH | np.stack(columns, axis=1)


def pieces(radius: int) -> list[Chunk]:
    """The pieces that name the buckets of a hash: of all chunks, those of one chunk together."""
    cut = np.array_split(np.arange(CHUNK_BITS), radius // CHUNKS + 1)
    return [Chunk(chunk.word, chunk.first + int(bits[0]), len(bits)) for chunk in CUT for bits in cut]


def alike(piece: Chunk, radius: int) -> float:
    """The share of a bucket's rows that a look-up of the whole chunk gives, where hashes have nothing in common."""
    rest = CHUNK_BITS - piece.bits
    return sum(comb(rest, flips) for flips in range(radius // CHUNKS + 1)) / (1 << rest)


def _crowded(piece: Chunk, radius: int, rows: int) -> bool:
    """Whether one chunk gives more rows than all have look-ups."""
    return rows >= _CROWD and rows * alike(piece, radius) >= lookups(radius)


def _looked_up(bucket: int, radius: int, rows: int) -> list[Chunk]:
    """The chunks by which what is near is found among so many rows of a bucket, if not in another bucket."""
    number = (bucket ^ int(HASH)) >> CHUNK_BITS
    if rows < _FEW:
        return []
    piece = pieces(radius)[number]
    if not _crowded(piece, radius, rows):
        return [CUT[number // (radius // CHUNKS + 1)]]
    bits = (WORD_BITS - piece.bits) * WORDS // CHUNKS
    beside = [
        Chunk(piece.word, (piece.first + piece.bits + i * bits) % WORD_BITS, bits) for i in range(CHUNKS // WORDS)
    ]
    return [chunk for chunk in CUT if chunk.word != piece.word] + beside


class NearHashes:
    """Finds what is near among the hashes of a bucket, (N, 4), or all but what is found in another; see `Find`."""

    def __init__(self, hashes: Words, bucket: int, radius: int, *, turns: bool) -> None:
        self._hashes, self._bucket, self._radius, self._turns = hashes, bucket, radius, turns
        self._rows, self._index = np.empty(0, np.int64), HashIndex(0, radius, turns=turns, cut=())

    def __call__(self, asking: Ranks, others: Ranks) -> Iterator[tuple[Ranks, Ranks]]:
        if not 0 < len(others) <= len(self._rows) <= 2 * len(others):
            cut = _looked_up(self._bucket, self._radius, len(others))
            self._rows, self._index = others, HashIndex(len(others), self._radius, turns=self._turns, cut=cut)
            self._index.add(self._hashes[others])
        wanted = np.zeros(len(self._hashes), bool)
        wanted[others] = True
        for hits in self._index.near(self._hashes[None, asking]):
            other = self._rows[hits.row]
            yield asking[hits.asked[wanted[other]]], other[wanted[other]]


def spanning(count: int, find: Find) -> tuple[Ranks, Ranks]:
    """Links that connect what is near, directly or over others, among `count` rows: (L,) and (L,), at most count - 1.

    Each row asks once, for those that are not connected to any yet; so a bucket full of copies of one picture costs one
    comparison a copy.
    """
    left, waiting, links = np.arange(count), np.empty(0, np.int64), [np.empty((2, 0), np.int64)]
    asking = _BATCH
    while len(left):
        seeds = not len(waiting)
        if seeds:
            waiting, left = left[:asking], left[asking:]
        batch, waiting = waiting[:asking], waiting[asking:]
        found = np.zeros(count, bool)
        for row, other in find(batch, np.concatenate([batch, left]) if seeds else left):
            apart = row != other
            if apart.any():
                links.append(_forest(row[apart], other[apart]))
                found[other[apart]] = True
        again = left[found[left]]
        waiting, left = np.concatenate([waiting, again]), left[~found[left]]
        asking = min(2 * asking, _MOST_ASKING) if len(again) <= asking else _BATCH
    a, b = links[-1] if len(links) < 3 else _forest(*np.concatenate(links, axis=1))
    return a, b


def _forest(a: Ranks, b: Ranks) -> NDArray[np.int64]:
    """As few links as connect what these connect: (L,) and (L,) -> (2, F)."""
    nodes, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    component = connected(len(nodes), place[: len(a)], place[len(a) :])
    first = nodes[np.unique(component, return_index=True)[1]][component]
    return np.stack([nodes[nodes != first], first[nodes != first]])
