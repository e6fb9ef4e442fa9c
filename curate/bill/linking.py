"""How linking hashes in their buckets grows. There are as many buckets for any corpus, so they fill."""

from __future__ import annotations

from math import comb

from curate.bill.rates import Pairs
from curate.ops.multihash import CHUNK_BITS, CHUNKS, lookups
from curate.ops.turns import WORDS


def piece_bits(radius: int) -> list[int]:
    """Bits of the pieces that a chunk of a hash is cut in."""
    pieces = radius // CHUNKS + 1
    return [CHUNK_BITS // pieces + (i < CHUNK_BITS % pieces) for i in range(pieces)]


def link_seconds(asked: float, radius: int, turns: bool, pairs: Pairs) -> float:
    """CPU seconds to link so many hashes: those of a bucket alike in a chunk are compared, until looking up is quicker.

    With `turns` the pieces of all words but the first are known up to their complement.
    """
    most, each = lookups(radius) * pairs.link_lookup_s, 0.0
    for bits in piece_bits(radius):
        rest = CHUNK_BITS - bits
        alike = sum(comb(rest, flips) for flips in range(radius // CHUNKS + 1)) / 2**rest
        for word in range(WORDS):
            inside = asked / 2 ** (bits - (turns and word > 0))
            each += CHUNKS / WORDS * min(most, inside * alike * pairs.link_hash_s)
    return asked * each
