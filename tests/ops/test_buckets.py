"""Buckets: what is near meets in one, and links connect what is near there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.ops import buckets, multihash
from curate.ops.buckets import CELL, DIGEST, HASH, NearHashes, alike, digest_buckets, hash_buckets, pieces, spanning
from curate.ops.groups import connected
from curate.ops.nearest import Ranks
from curate.ops.turns import distances, words
from tests.pictures import turned


@given(st.integers(0, 10**6), st.sampled_from([3, 11, 12, 23, 24, 35]), st.booleans())
def test_hashes_within_the_radius_share_a_bucket(seed: int, radius: int, turns: bool) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 256, (1, 32), np.uint8)
    other = edited(rng, one, radius)
    if turns:
        other = turned(other)[rng.integers(8)]
    a, b = (
        np.hstack([hash_buckets(way, radius, turns=turns) for way in words(hashes, turns=turns)])
        for hashes in (one, other)
    )
    assert np.isin(a, b).any()
    assert {buckets.kind(bucket) for bucket in a[0].tolist()} == {HASH}
    assert len({*hash_buckets(words(one, turns=False)[0], radius, turns=turns)[0].tolist()}) == 12 * (radius // 12 + 1)


def edited(rng: np.random.Generator, hashes: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """Hashes with so many bits flipped."""
    flipped = np.zeros((len(hashes), 256), np.uint8)
    for row in flipped:
        row[rng.permutation(256)[:most]] = 1
    return hashes ^ np.packbits(flipped, axis=1)


@pytest.mark.parametrize("few", [0, 10**6], ids=["look up", "compare all"])
@pytest.mark.parametrize("crowded", [True, False], ids=["all chunks", "one chunk"])
@settings(max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from([0, 11, 12, 23, 30]), st.booleans())
def test_buckets_of_hashes_connect_what_is_near(few: int, crowded: bool, seed: int, radius: int, turns: bool) -> None:
    """Over all buckets together; what chains of near ones connect, and nothing else."""
    rng = np.random.default_rng(seed)
    hashes = edited(rng, rng.integers(0, 256, (4, 32), np.uint8)[rng.integers(0, 4, 8)], radius // 2)
    hashes = np.concatenate([hashes, edited(rng, hashes[:4], radius), edited(rng, hashes[:4], radius + 1)])
    hashes = turned(hashes)[rng.integers(0, 8, len(hashes)), np.arange(len(hashes))] if turns else hashes
    ways = words(hashes, turns=turns)
    every, of = ways.reshape(-1, 4), np.tile(np.arange(len(hashes)), len(ways))
    named = hash_buckets(every, radius, turns=turns)
    links = [np.empty((2, 0), np.int64)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multihash, "_PAIRS_A_LOOKUP", few)
        patch.setattr(buckets, "_FEW", few)
        patch.setattr(buckets, "_crowded", lambda *_: crowded)
        patch.setattr(buckets, "_BATCH", 3)
        numbers, count = np.unique(named, return_counts=True)
        for bucket in numbers[count > 1].tolist():
            rows = np.flatnonzero((named == bucket).any(axis=1))
            found = spanning(len(rows), NearHashes(every[rows], bucket, radius, turns=turns))
            links.append(of[rows[np.stack(found)]])
    a, b = np.concatenate(links, axis=1)
    pairs = np.indices((len(hashes), len(hashes))).reshape(2, -1)
    near = pairs[:, distances(*hashes[pairs], turns=turns) <= radius]
    assert connected(len(hashes), a, b).tolist() == connected(len(hashes), *near).tolist()


def test_all_chunks_are_looked_up_where_one_gives_more() -> None:
    """Of 21 bits 10 are equal in the bucket: at most one flip in the other 11 leaves 12 of 2,048; of 264 look-ups."""
    piece = pieces(23)[1]
    assert alike(piece, 23) == 12 / 2048
    assert [buckets._crowded(piece, 23, rows) for rows in (32_767, 264 * 2048 // 12 - 1, 264 * 2048 // 12)] == [0, 0, 1]
    assert buckets._crowded(pieces(11)[0], 11, 32_768)
    assert not buckets._crowded(pieces(35)[0], 35, 131_072)


def test_digests_of_one_beginning_share_a_bucket() -> None:
    digests = np.array([[0] * 32, [0] * 31 + [9], [255] * 32], np.uint8)
    a, b, c = digest_buckets(digests)[:, 0].tolist()
    assert a == b != c
    assert {buckets.kind(bucket) for bucket in (a, c, int(CELL) | 7)} == {DIGEST, CELL}


def near(values: NDArray[np.int64], asking: Ranks, others: Ranks) -> Iterator[tuple[Ranks, Ranks]]:
    """A pair at a time."""
    for row, other in product(asking.tolist(), others.tolist()):
        if abs(values[row] - values[other]) <= 1:
            yield np.array([row]), np.array([other])


@given(st.lists(st.integers(-60, 60), max_size=40), st.integers(1, 5))
def test_links_connect_what_chains_of_near_rows_connect_and_are_few(numbers: list[int], batch: int) -> None:
    values = np.array(numbers, np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buckets, "_BATCH", batch)
        a, b = spanning(len(values), partial(near, values))
    row, other = np.nonzero(np.abs(values[:, None] - values) <= 1)
    want = connected(len(values), row, other)
    assert connected(len(values), a, b).tolist() == want.tolist()
    assert len(a) == len(values) - len(set(want.tolist()))


def test_a_bucket_of_copies_of_one_picture_costs_one_comparison_each() -> None:
    asked = []

    def equal(asking: Ranks, others: Ranks) -> Iterator[tuple[Ranks, Ranks]]:
        asked.append(len(asking) * len(others))
        row, other = np.broadcast_arrays(asking[:, None], others)
        yield row.reshape(-1), other.reshape(-1)

    a, _ = spanning(20_000, equal)
    assert len(a) == 19_999
    assert sum(asked) == 256 * 20_000
