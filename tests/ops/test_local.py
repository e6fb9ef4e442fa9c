"""Details: local features as short codes, and for which pictures they speak."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.ops.alignment import mirrored, portrait
from curate.ops.local import MOST, WIDTH, codes, shared
from tests.pictures import Pixels, textured

ONE = np.array([[0] * 16, [255] * 16], np.uint8)


def of(*pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes of several pictures as `shared` takes them."""
    return np.concatenate(pictures), np.array([len(picture) for picture in pictures])


def grey(picture: Pixels) -> Pixels:
    return np.ascontiguousarray(picture.mean(axis=2).astype(np.uint8))


def test_a_detail_counts_by_its_nearest_and_those_who_have_it_share_its_vote() -> None:
    near = ONE[:1].copy()
    near[0, 0] = 0b11111  # five bits
    of_five = np.exp(-0.25)
    counts, votes = shared(ONE, *of(ONE, ONE[:1], near, near[:0]))
    assert counts == pytest.approx([2, 1, of_five, 0])
    assert votes == pytest.approx([1 + 1 / (2 + of_five), 1 / (2 + of_five), of_five**2 / (2 + of_five), 0])
    assert shared(ONE, *of(*[ONE] * 64))[1] == pytest.approx([2 / 64] * 64)


def test_of_no_details_none_are_shared() -> None:
    none = np.empty((0, WIDTH), np.uint8)
    assert shared(none, *of(ONE, none)).tolist() == [[0, 0], [0, 0]]
    assert shared(ONE, *of(none, none)).tolist() == [[0, 0], [0, 0]]
    assert shared(ONE, none, np.empty(0, np.int64)).tolist() == [[], []]
    assert codes(np.empty((0, 128), np.float32)).shape == (0, WIDTH)


@given(st.integers(0, 99), st.integers(0, 40), st.lists(st.integers(0, 30), max_size=5))
def test_it_is_as_one_by_one(seed: int, many: int, counts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    mine, theirs = (rng.integers(0, 4, (n, WIDTH), np.uint8) for n in (many, sum(counts)))
    found = shared(mine, theirs, np.array(counts, np.int64))
    bits = np.unpackbits(mine[:, None] ^ theirs[None], axis=2).sum(axis=2)
    ends = np.cumsum([0, *counts])
    want = np.zeros((2, len(counts)))
    for row in bits:
        near = np.array([np.exp(-((row[a:b].min() / 10) ** 2)) if b > a else 0 for a, b in itertools.pairwise(ends)])
        want += near, near**2 / max(near.sum(), 1e-99)
    np.testing.assert_allclose(found, want, atol=1e-9)


def test_a_picture_pasted_on_another_speaks_for_both_and_for_no_third() -> None:
    city, reef, hills = (textured(kind, 3) for kind in ("city", "reef", "flowers"))
    pasted = reef.copy()
    pasted[40:250, 60:340] = np.asarray(city[::1, ::1])[:210, :280]
    mine = codes(portrait(grey(pasted)).features)
    held = [codes(portrait(grey(picture)).features) for picture in (city, reef, hills)]
    for found in shared(mine, *of(*held)):
        assert min(found[:2]) > 3 * found[2]
    assert len(mine) <= MOST


def test_a_mirrored_picture_is_known_by_the_mirrored_codes() -> None:
    city = portrait(grey(textured("city", 3)))
    turned = codes(portrait(np.ascontiguousarray(city.grey[:, ::-1])).features)
    upright, other = shared(turned, *of(codes(city.features), codes(mirrored(city).features)))[0]
    assert other > 3 * upright
