"""The ways to look at a picture: their names, what each shows, and what is kept small of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.detector.pixels import resized, squash
from curate.ops.verify import similarity, square_of
from curate.ops.views import (
    CROPS,
    EVALUATION,
    PREVIEW_AREA,
    QUARTERS,
    TURNS,
    WHOLE,
    benchmark_regions,
    corpus_regions,
    cut,
    embedded_views,
    hashed,
    overlap,
    preview,
    square,
    thumbnail,
)
from tests.pictures import draw

SIDES = st.integers(1, 3000)


def test_square_of_a_thumbnail_is_the_thumbnail_of_the_square() -> None:
    for width, height in ((192, 128), (128, 192), (300, 100)):
        grey = draw(3, width, height)[..., 1]
        seen = hashed(grey, squash(grey), corpus_regions(width, height))
        whole, centre = (thumbnail(one)[None] for one in seen[:2])
        own = square_of(whole[0], width, height)[None]
        assert similarity(own, centre)[0] > 0.99 > similarity(whole, centre)[0]
    assert np.array_equal(square_of(whole[0], 50, 50), whole[0])


@pytest.mark.parametrize(
    ("one", "other", "shares"),
    [
        ((400, 300), (400, 300), (1, 1)),
        ((400, 300), (360, 300), (0.9, 1)),
        ((400, 300), (300, 300), (0.75, 1)),
        ((400, 300), (300, 400), (0.75, 0.75)),  # all that is surely on both is the square
        ((300, 400), (300, 500), (1, 0.8)),
    ],
)
def test_pictures_laid_square_on_square_overlap_as_far_as_both_go(
    one: tuple[int, int], other: tuple[int, int], shares: tuple[float, float]
) -> None:
    for pair, told in (((one, other), shares), ((other, one), shares[::-1])):
        found = overlap(*(square(*size) for size in pair))
        assert [box.width * box.height for box in found] == pytest.approx(told)
        assert all(box.left == (1 - box.width) / 2 and box.top == (1 - box.height) / 2 for box in found)


def test_the_corpus_is_seen_whole_as_a_square_and_in_quarters() -> None:
    grey = draw(1, 192, 128)[..., 0]
    regions = corpus_regions(192, 128)
    assert list(regions) == ["whole", "square", *QUARTERS]
    whole, centre, *quarters = hashed(grey, squash(grey), regions)
    parts = grey, grey[:, 32:160], grey[:64, :96], grey[:64, 96:], grey[64:, :96], grey[64:, 96:]
    for seen, part in zip((whole, centre, *quarters), parts, strict=True):
        alone = resized(np.ascontiguousarray(part), 64, 64)
        assert np.corrcoef(seen.ravel(), alone.ravel())[0, 1] > 0.99  # edges may fall between the squash's pixels


def test_a_narrow_part_is_cut_from_the_picture_itself() -> None:
    """A squash would have fewer pixels of it than are looked at."""
    grey = draw(1, 512, 128)[..., 0]
    _, centre, *_ = hashed(grey, squash(grey), corpus_regions(512, 128))
    assert np.array_equal(centre, resized(np.ascontiguousarray(grey[:, 192:320]), 64, 64))


def test_a_square_benchmark_picture_has_no_square_of_its_own() -> None:
    assert list(benchmark_regions(192, 128)) == ["whole", "square", "evaluation"]
    assert list(benchmark_regions(128, 128)) == ["whole", "evaluation"]
    assert benchmark_regions(128, 128)["evaluation"] == pytest.approx((0.0625, 0.0625, EVALUATION, EVALUATION))
    assert square(192, 128) == pytest.approx((1 / 6, 0, 2 / 3, 1))


def test_turns_mirror_first_then_turn_clockwise() -> None:
    """What a turn says of itself is what it does, told by a corner: the four corners are 0 1 / 3 2."""
    corners = np.array([[0, 1], [3, 2]], np.uint8)
    for name, turn in TURNS.items():
        expected = corners[:, ::-1] if turn.mirrored else corners
        clockwise = np.rot90(expected, -(turn.rotation // 90))
        assert np.array_equal(turn.apply(corners), clockwise), name
    assert len({turn.apply(corners).tobytes() for turn in TURNS.values()}) == len(TURNS) == 8


def test_what_is_embedded_of_a_benchmark_picture() -> None:
    views = list(embedded_views(192, 128))
    names = [name for name, _, _ in views]
    assert names[:3] == ["whole", "square", "evaluation"]
    assert len(set(names)) == len(names) == 3 + 7 + 3 + 18
    grey = draw(1, 192, 128)[..., 0]
    looks = {name: turn.apply(cut(grey, box)) for name, box, turn in views}
    assert np.array_equal(looks["whole+rot90"], np.rot90(grey))
    assert looks["crop-55-00"].shape == (70, 106)
    assert np.array_equal(looks["crop-55-00"], grey[:70, :106])
    assert np.array_equal(looks["crop-75-22"], grey[32:, 48:])
    assert looks["whole+inset"].shape == (182, 272)
    assert np.array_equal(looks["whole+inset"][27:155, 40:232], grey)
    assert np.abs(looks["whole+tilt15"].astype(int) - looks["whole+tilt-15"]).mean() > 10
    assert [name for name, _, _ in embedded_views(64, 64)] == [name for name in names if name != "square"]


def test_a_crop_from_anywhere_lies_near_one_of_nine() -> None:
    """No crop to 30 or 56 % of the area is more than a seventh of a side off one of the nine."""
    for side in (0.55, 0.75):
        lefts = sorted({box.left for box in CROPS.values() if box.width == side})
        assert lefts == pytest.approx([0, (1 - side) / 2, 1 - side])
        assert max(np.diff(lefts)) / 2 <= 1 / 7


@given(SIDES, SIDES)
def test_every_part_of_any_picture_has_a_pixel_and_a_small_preview(width: int, height: int) -> None:
    grey = np.broadcast_to(np.uint8(7), (height, width))
    for box in (WHOLE, *corpus_regions(width, height).values(), *CROPS.values()):
        assert min(cut(grey, box).shape) >= 1
    seen = preview(np.ascontiguousarray(grey))
    assert seen.shape[0] * seen.shape[1] <= PREVIEW_AREA
    assert min(seen.shape) >= 1
    assert max(seen.shape) <= 512


def test_a_preview_keeps_the_shape_and_a_small_picture_whole() -> None:
    assert preview(draw(1, 600, 300)[..., 0]).shape == (90, 181)
    small = draw(1, 40, 30)[..., 0]
    assert preview(small) is small
    assert preview(np.zeros((1, 10_000), np.uint8)).shape == (1, 512)
