"""Buckets: what is near meets in one, and links connect what is near there."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.ops import buckets
from curate.ops.buckets import CELL, DIGEST, HASH, digest_buckets, hash_buckets, spanning
from curate.ops.groups import connected


@given(st.integers(0, 10**6), st.sampled_from([3, 11, 12, 23, 24, 35]))
def test_hashes_within_the_radius_share_a_bucket(seed: int, radius: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 256, (1, 32), np.uint8)
    turned = np.zeros(256, np.uint8)
    turned[rng.permutation(256)[:radius]] = 1
    a, b = hash_buckets(one, radius), hash_buckets(one ^ np.packbits(turned), radius)
    assert (a == b).any()
    assert {buckets.kind(bucket) for bucket in a[0].tolist()} == {HASH}
    assert len(set(a[0].tolist())) == a.shape[1] == 12 * (radius // 12 + 1)


def test_digests_of_one_beginning_share_a_bucket() -> None:
    digests = np.array([[0] * 32, [0] * 31 + [9], [255] * 32], np.uint8)
    a, b, c = digest_buckets(digests)[:, 0].tolist()
    assert a == b != c
    assert {buckets.kind(bucket) for bucket in (a, c, int(CELL) | 7)} == {DIGEST, CELL}


def near(a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.bool_]:
    return np.abs(a[:, :1].astype(int) - b[:, 0]) <= 1


@given(st.lists(st.integers(-60, 60), max_size=40), st.integers(1, 5))
def test_links_connect_what_chains_of_near_rows_connect_and_are_few(numbers: list[int], batch: int) -> None:
    values = np.array(numbers, np.int8).reshape(-1, 1)
    before = buckets._BATCH
    buckets._BATCH = batch
    a, b = spanning(values, near)
    buckets._BATCH = before
    row, other = np.nonzero(near(values, values)) if len(values) else np.empty((2, 0), np.int64)
    want = connected(len(values), row, other)
    assert connected(len(values), a, b).tolist() == want.tolist()
    assert len(a) == len(values) - len(set(want.tolist()))


def test_a_bucket_of_copies_of_one_picture_costs_one_comparison_each() -> None:
    asked = []

    def equal(a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.bool_]:
        asked.append(len(a) * len(b))
        return np.ones((len(a), len(b)), bool)

    a, _ = spanning(np.zeros((50_000, 1), np.int8), equal)
    assert len(a) == 49_999
    assert sum(asked) == 256 * 50_000
