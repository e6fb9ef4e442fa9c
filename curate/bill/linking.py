"""How linking hashes in their buckets grows. There are as many buckets for any corpus, so they fill."""

from __future__ import annotations

from curate.bill.rates import Pairs
from curate.ops.buckets import alike, pieces
from curate.ops.multihash import lookups


def link_seconds(asked: float, radius: int, turns: bool, pairs: Pairs) -> float:
    """CPU seconds to link so many hashes: those of a bucket alike in a chunk are compared, until looking up is quicker.

    With `turns` the pieces of all words but the first are known up to their complement.
    """
    most, each = lookups(radius) * pairs.link_lookup_s, 0.0
    for piece in pieces(radius):
        inside = asked / 2 ** (piece.bits - (turns and piece.word > 0))
        each += min(most, inside * alike(piece, radius) * pairs.link_hash_s)
    return asked * each
