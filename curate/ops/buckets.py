"""Buckets in which near rows meet, and the links that connect what is near in a bucket.

Two hashes of 252 bits in 12 chunks that differ in `radius` bits or less differ in `flips = radius // 12` or less in one
chunk at least, so that of the flips + 1 pieces of that chunk one is equal in both: it names their bucket. Descriptors
meet in the cells that they ask, digests by their beginning.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from curate.ops.groups import connected
from curate.ops.multihash import CHUNK_BITS, CHUNKS, shuffled
from curate.ops.nearest import Ranks

Near = Callable[[NDArray[np.int8], NDArray[np.int8]], NDArray[np.bool_]]
"""(A, W) and (B, W) values -> (A, B): which are near."""
DIGEST, HASH, CELL = (np.int64(kind << 58) for kind in range(3))
"""What kind of bucket it is stands in the upper bits of its number."""
_BATCH, _CHUNK = 256, 8192


def kind(bucket: int) -> int:
    """DIGEST, HASH or CELL."""
    return bucket >> 58 << 58


def digest_buckets(digests: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N, 32) -> (N, 1)."""
    return (np.ascontiguousarray(digests[:, :8]).view(">u8") >> np.uint64(6)).astype(np.int64) | DIGEST


def hash_buckets(hashes: NDArray[np.uint8], radius: int) -> NDArray[np.int64]:
    """(N, 32) -> (N, 12 * pieces)."""
    bits = np.unpackbits(shuffled(hashes), axis=1)[:, : CHUNKS * CHUNK_BITS].astype(np.int64)
    chunks = bits.reshape(-1, CHUNKS, CHUNK_BITS)
    pieces = np.array_split(np.arange(CHUNK_BITS), radius // CHUNKS + 1)
    columns = [chunks[:, :, piece] @ (1 << np.arange(len(piece))) for piece in pieces]
    number = np.arange(CHUNKS * len(pieces)).reshape(len(pieces), CHUNKS)
    return np.hstack([HASH | number[i] << CHUNK_BITS | column for i, column in enumerate(columns)])


def spanning(values: NDArray[np.int8], near: Near) -> tuple[Ranks, Ranks]:
    """Links that connect what is near, directly or over others: (N, W) -> (L,) and (L,) rows, at most N - 1.

    Each row is held once against those that are not connected to any yet; so a bucket full of copies of one picture
    costs one comparison a copy.
    """
    left, waiting, links = np.arange(len(values)), np.empty(0, np.int64), [np.empty((2, 0), np.int64)]
    while len(left):
        seeds = not len(waiting)
        if seeds:
            waiting, left = left[:_BATCH], left[_BATCH:]
        batch, waiting = waiting[:_BATCH], waiting[_BATCH:]
        against = np.concatenate([batch, left]) if seeds else left
        found = np.zeros(len(values), bool)
        for start in range(0, len(against), _CHUNK):
            others = against[start : start + _CHUNK]
            row, other = np.nonzero(near(values[batch], values[others]))
            apart = batch[row] != others[other]
            if apart.any():
                links.append(_forest(batch[row[apart]], others[other[apart]]))
                found[others[other[apart]]] = True
        waiting = np.concatenate([waiting, left[found[left]]])
        left = left[~found[left]]
    a, b = links[-1] if len(links) < 3 else _forest(*np.concatenate(links, axis=1))
    return a, b


def _forest(a: Ranks, b: Ranks) -> NDArray[np.int64]:
    """As few links as connect what these connect: (L,) and (L,) -> (2, F)."""
    nodes, place = np.unique(np.concatenate([a, b]), return_inverse=True)
    component = connected(len(nodes), place[: len(a)], place[len(a) :])
    first = nodes[np.unique(component, return_index=True)[1]][component]
    return np.stack([nodes[nodes != first], first[nodes != first]])
