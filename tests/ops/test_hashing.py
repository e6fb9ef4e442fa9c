"""Hashes: exchangeable with imagehash, exact whatever the batch; facts worked out by hand."""

from __future__ import annotations

import math

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from curate.ops.hashing import hamming, phash64, phash256
from curate.ops.quality import clear, contrast, quality, relief
from curate.ops.turns import distances
from tests.pictures import Pixels, draw, turned

VIEWS = np.stack([draw(seed, 64, 64)[..., 0] for seed in range(12)])


def bits_of(hashed: imagehash.ImageHash) -> Pixels:
    return np.packbits(np.asarray(hashed.hash).reshape(1, -1), axis=1)


def test_phash256_is_imagehash_on_the_same_pixels() -> None:
    theirs = np.concatenate([bits_of(imagehash.phash(Image.fromarray(v), hash_size=16)) for v in VIEWS])
    apart = hamming(phash256(VIEWS), theirs)
    assert apart.max() <= 2
    assert apart.mean() <= 0.5


def test_the_hash_of_a_turned_picture_is_made_of_the_picture_s() -> None:
    """But for a few bits, of coefficients about the median, which moves a little."""
    laid = VIEWS.swapaxes(1, 2)
    turns = [(one[:, ::down, ::across]) for one in (VIEWS, laid) for down in (1, -1) for across in (1, -1)]
    made = turned(phash256(VIEWS))
    apart = [int(hamming(made[i], phash256(np.ascontiguousarray(view))).max()) for i, view in enumerate(turns)]
    assert apart[0] == apart[4] == 0
    assert max(apart) <= 16


@given(st.integers(0, 10**6))
def test_distances_over_all_turns_are_the_least_of_the_eight(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 256, (2, 6, 32), np.uint8)
    b[:4] = turned(a)[rng.integers(0, 8, 4), np.arange(4)]
    b[1, 0] ^= 9
    least = np.min([hamming(way, b) for way in turned(a)], axis=0)
    assert distances(a, b, turns=True).tolist() == distances(b, a, turns=True).tolist() == least.tolist()
    assert distances(a, ~a, turns=False).tolist() == [256] * 6
    assert distances(a, b, turns=False).tolist() == hamming(a, b).tolist()


def test_phash64_is_imagehash_but_for_its_resize() -> None:
    theirs = [int(str(imagehash.phash(Image.fromarray(v))), 16) for v in VIEWS]
    apart = [int(a ^ b).bit_count() for a, b in zip(phash64(VIEWS).tolist(), theirs, strict=True)]
    assert max(apart) <= 6
    assert np.mean(apart) <= 3


def test_golden_bits() -> None:
    assert f"{int(phash64(VIEWS[:1])[0]):016x}" == "9330a50927edbcab"
    assert phash256(VIEWS[:1]).tobytes().hex() == "93ed308ea55309892156ed51bc3c29caeb69298adc3d65532347498be47758bf"


@given(st.permutations(range(12)), st.integers(1, 12))
def test_neither_batch_nor_order_matters(order: list[int], size: int) -> None:
    pieces = [VIEWS[order[i : i + size]] for i in range(0, 12, size)]
    assert np.array_equal(np.concatenate([phash256(p) for p in pieces]), phash256(VIEWS)[order])
    assert np.array_equal(np.concatenate([phash64(p) for p in pieces]), phash64(VIEWS)[order])
    for name, whole in quality(VIEWS)._asdict().items():
        assert np.array_equal(np.concatenate([getattr(quality(p), name) for p in pieces]), whole[order])


def test_empty_batches() -> None:
    none = np.empty((0, 64, 64), np.uint8)
    assert phash64(none).shape == contrast(none).shape == (0,)
    assert phash256(none).shape == (0, 32)
    assert all(fact.shape == (0,) for fact in quality(none))


def test_hamming_counts_bits() -> None:
    a = np.array([[0, 0], [255, 1], [0b1010, 0]], np.uint8)
    b = np.array([[0, 0], [0, 0], [0b0110, 128]], np.uint8)
    assert hamming(a, b).tolist() == [0, 9, 3]


def test_quality_worked_out_by_hand() -> None:
    blank = np.full((64, 64), 77, np.uint8)
    halves = np.zeros((64, 64), np.uint8)
    halves[:, 32:] = 200
    levels = np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[:, None], 64, axis=1)
    facts = quality(np.stack([blank, halves, levels]))
    assert facts.contrast.tolist() == pytest.approx([0, 100, 4 * math.sqrt((64**2 - 1) / 12)], rel=1e-6)
    assert facts.entropy.tolist() == [0, 1, 6]
    assert facts.one_colour.tolist() == [1, 0.5, 1 / 16]
    # Laplacian: +200 and -200 in the two columns at the edge; with the border mirrored, +8 and -8 in the end rows
    assert facts.sharpness.tolist() == pytest.approx([0, 200**2 * 2 / 64, 8**2 * 2 / 64], rel=1e-6)


def test_a_blank_view_has_no_contrast() -> None:
    assert contrast(np.full((1, 64, 64), 255, np.uint8)).tolist() == [0]
    assert contrast(VIEWS).tolist() == pytest.approx(VIEWS.std(axis=(1, 2)).tolist(), rel=1e-6)


def test_relief_is_what_no_smooth_surface_explains() -> None:
    rng = np.random.default_rng(5)
    views = rng.integers(0, 256, (3, 64, 64), np.uint8)
    x, y = np.meshgrid(np.arange(16.0), np.arange(16.0))
    surface = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(256, 6)
    for view, found in zip(views, relief(views).tolist(), strict=True):
        half = cv2.resize(view, (32, 32), interpolation=cv2.INTER_AREA)
        small = cv2.resize(half, (16, 16), interpolation=cv2.INTER_AREA).reshape(-1).astype(np.float64)
        fit, *_ = np.linalg.lstsq(surface, small, rcond=None)
        assert found == pytest.approx(float((small - surface @ fit).std()))
    assert relief(views[:0]).shape == (0,)


def test_a_slope_of_light_shows_nothing_however_steep_or_noisy() -> None:
    rng = np.random.default_rng(6)
    slope = np.broadcast_to(np.linspace(0, 200, 64), (64, 64))
    noisy = slope + rng.normal(25, 5, (64, 64))
    line = noisy.copy()
    line[20:24, 10:50] = 255
    views = np.stack([slope, noisy, line]).clip(0, 255).astype(np.uint8)
    assert clear(views, 4.0).tolist() == [False, False, True]
    assert (contrast(views) > 50).all()
