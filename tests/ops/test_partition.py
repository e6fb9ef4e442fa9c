"""Searches that do not compare all: the very pairs that comparing all gives, ties and crowds included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from curate.ops import multihash
from curate.ops.hashing import hamming
from curate.ops.multihash import HashSearch, lookups
from curate.ops.nearest import Near, Search
from curate.ops.partition import Cells, CellSearch, centres, whole
from tests.pictures import turned

Pairs = list[tuple[int, int, int]]


def listed(near: Near) -> Pairs:
    return list(zip(near.row.tolist(), near.other.tolist(), near.far.tolist(), strict=True))


def asked(search: Search, count: int, stay: set[int], block: int) -> tuple[Pairs, Pairs]:
    """Everything that a search gives over `count` rows: from earlier blocks, and among the rows of one."""
    kept: Pairs = []
    among: Pairs = []
    for start in range(0, count, block):
        rows = np.arange(start, min(count, start + block))
        search.begin(rows)
        kept += listed(search.kept())
        among += listed(search.among())
        search.keep(np.array([row for row in rows.tolist() if row in stay], np.int64))
    return kept, among


def nearest(far: NDArray[np.int64], near: NDArray[np.bool_], stay: set[int], most: int, block: int) -> Pairs:
    """The same of earlier blocks, by comparing all."""
    found: Pairs = []
    for row in range(len(far)):
        others = [k for k in range(row // block * block) if k in stay and near[row, k]]
        found += [(row, k, int(far[row, k])) for k in sorted(others, key=lambda k: (far[row, k], k))[:most]]
    return found


def near_hashes(rng: np.random.Generator, count: int, bits: int) -> NDArray[np.uint8]:
    """Hashes of a few families, whose members differ in up to `bits` bits from the first."""
    families = rng.integers(0, 256, (4, 32), np.uint8)
    turned = np.zeros((count, 256), np.uint8)
    for row in turned:
        row[rng.permutation(256)[: rng.integers(0, bits + 1)]] = 1
    return families[rng.integers(0, 4, count)] ^ np.packbits(turned, axis=1)


@pytest.mark.parametrize("few", [True, False], ids=["compare all", "look up"])
@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([0, 5, 11, 12, 23, 30, 47]), st.integers(1, 3))
def test_hashes_are_found_to_the_radius_and_no_farther(few: bool, seed: int, radius: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    hashes, order = near_hashes(rng, 40, radius), rng.permutation(40)
    stay = set(rng.permutation(40)[:30].tolist())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multihash, "_PAIRS_A_LOOKUP", 10**6 if few else 0)
        patch.setattr(multihash, "MOST", most)
        kept, among = asked(HashSearch(hashes, order, radius), 40, stay, 8)
    far = np.stack([hamming(np.repeat(hashes[order[i]][None], 40, 0), hashes[order]) for i in range(40)]).astype(int)
    assert kept == nearest(far, far <= radius, stay, most, 8)
    want = [(a, b, int(far[a, b])) for a in range(40) for b in range(a // 8 * 8, a) if far[a, b] <= radius]
    assert among == want


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([0, 5, 11, 12, 23, 30, 47]), st.integers(1, 3))
def test_mirrored_and_turned_hashes_are_found_at_the_least_distance_of_the_eight(
    seed: int, radius: int, most: int
) -> None:
    rng = np.random.default_rng(seed)
    hashes, order = near_hashes(rng, 40, radius), rng.permutation(40)
    hashes = turned(hashes)[rng.integers(0, 8, 40), np.arange(40)]
    stay = set(rng.permutation(40)[:30].tolist())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(multihash, "_PAIRS_A_LOOKUP", 10**6 if seed % 2 else 0)
        patch.setattr(multihash, "MOST", most)
        kept, among = asked(HashSearch(hashes, order, radius, turns=True), 40, stay, 8)
    ways = [hamming(np.repeat(way, 40, 0), np.tile(hashes[order], (40, 1))) for way in turned(hashes[order])]
    far = np.min(ways, axis=0).reshape(40, 40).astype(int)
    assert (far == far.T).all()
    assert kept == nearest(far, far <= radius, stay, most, 8)
    assert among == [(a, b, int(far[a, b])) for a in range(40) for b in range(a // 8 * 8, a) if far[a, b] <= radius]


def test_the_table_of_look_ups() -> None:
    assert [lookups(radius) for radius in (11, 12, 23, 24, 35, 36)] == [12, 264, 264, 2784, 2784, 18744]


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 4))
def test_descriptors_are_found_in_the_cells_asked_and_ties_go_to_the_better(seed: int, most: int, probes: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (40, 6)).astype(np.float16)  # so many are equal, and some have no direction
    at = np.where(rng.random(40) < 0.1, -1, rng.permutation(40))
    cells = Cells(whole(rng.standard_normal((5, 6))), probes)
    stay = set(rng.permutation(40)[:30].tolist())
    kept, among = asked(CellSearch(vectors, at, cells, 0.7, most), 40, stay, 8)
    told = whole(vectors[at]).astype(int)
    like, homes = told @ told.T, cells.asked(whole(vectors[at]))
    least = (0.7 - (2 * (s := 6**0.5 / 254) + s * s)) * 127**2
    has = at >= 0
    near = (like >= least) & has[:, None] & has & (homes[:, None, :] == homes[None, :, :1]).any(axis=2)
    assert kept == nearest(-like, near, stay, most, 8)
    assert among == [(a, b, -int(like[a, b])) for a in range(40) for b in range(a // 8 * 8, a) if near[a, b]]


def test_whole_vectors_and_their_centres() -> None:
    given_ = np.array([[3, 4], [0, 0], [np.inf, 1], [-2, 0]], np.float16)
    assert whole(given_).tolist() == [[76, 102], [0, 0], [0, 0], [-127, 0]]
    rng = np.random.default_rng(0)
    means = np.eye(4)[rng.integers(0, 4, 400)] + rng.normal(0, 0.05, (400, 4))
    found = centres(whole(means), 4)
    assert sorted(np.abs(found).argmax(axis=1).tolist()) == [0, 1, 2, 3]
    assert np.array_equal(found, centres(whole(means), 4))
    assert centres(whole(means[:3]), 4).tolist() == [[0] * 4]
