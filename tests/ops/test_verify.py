"""The verdict: copies agree and say how they were changed, other pictures do not agree, nothing crashes it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from curate.demo.photos import cuts
from curate.demo.pictures import KINDS
from curate.ops.agreement import lay
from curate.ops.alignment import FEW_FEATURES, SURE_POINTS, Portrait, adjusted, fit_features, mirrored, portrait
from curate.ops.edits import copy
from curate.ops.verify import Verdict, compare, similarity
from curate.ops.views import preview
from curate.stages.contamination import ContaminationSettings
from tests.pictures import textured

Grey = NDArray[np.uint8]
ENOUGH = ContaminationSettings().min_agreement


def test_similarity_is_correlation() -> None:
    a = np.arange(64, dtype=np.uint8)[None]
    rng = np.random.default_rng(0).integers(0, 256, (1, 64), np.uint8)
    assert similarity(a, a).tolist() == [1]
    assert similarity(a, a * 2 + 9).tolist() == pytest.approx([1])  # brightness and contrast are edits
    assert similarity(a, 200 - a).tolist() == pytest.approx([-1])
    assert similarity(a, np.full_like(a, 5)).tolist() == [0]
    assert similarity(a, rng).tolist() == pytest.approx([np.corrcoef(a[0], rng[0])[0, 1]], rel=1e-5)
    assert similarity(a, rng) == similarity(rng, a) == similarity(np.repeat(a, 3, 0), np.repeat(rng, 3, 0))[:1]


@cache
def pictures() -> dict[str, Grey]:
    """One drawing of each kind, and eight halves of photographs, grey."""
    drawn = {kind: cv2.cvtColor(textured(kind), cv2.COLOR_RGB2GRAY) for kind in KINDS}
    photos = {f"photo {i}": np.asarray(cut.image.convert("L")) for i, cut in enumerate(cuts("benchmark"))}
    return {name: np.asarray(picture, np.uint8) for name, picture in {**drawn, **photos}.items()}


def seen(grey: Grey) -> Portrait:
    """As `contamination` sees it: by its preview."""
    return portrait(preview(np.ascontiguousarray(grey)))


@cache
def both(name: str) -> tuple[Portrait, Portrait]:
    upright = seen(pictures()[name])
    return upright, mirrored(upright)


def turned(grey: Grey, degrees: float) -> Grey:
    """Turned clockwise about its middle, corners black."""
    height, width = grey.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
    return np.asarray(cv2.warpAffine(grey, matrix, (width, height)), np.uint8)


def part(grey: Grey, side: float) -> Grey:
    """A crop of `side` of both sides, off the middle."""
    height, width = (int(length * side) for length in grey.shape)
    top, left = int(0.3 * (grey.shape[0] - height)), int(0.8 * (grey.shape[1] - width))
    return grey[top : top + height, left : left + width]


def framed(grey: Grey) -> Grey:
    """A light frame, a tenth of each side wide."""
    y, x = grey.shape[0] // 10, grey.shape[1] // 10
    return np.asarray(cv2.copyMakeBorder(grey, y, y, x, x, cv2.BORDER_CONSTANT, value=200), np.uint8)


EDITS: dict[str, tuple[Callable[[Grey], Grey], dict[str, float]]] = {
    "as it is": (lambda g: g, {}),
    "darker, blurred": (lambda g: np.asarray(cv2.GaussianBlur(g // 2 + 20, (0, 0), 1.5), np.uint8), {}),
    "squeezed": (lambda g: np.asarray(cv2.resize(g, (224, 224), interpolation=cv2.INTER_AREA), np.uint8), {}),
    "turned by 10": (lambda g: turned(g, 10), {"rotation": 10, "shown": 0.92, "covers": 0.92}),
    "turned by a quarter": (lambda g: np.rot90(g, -1), {"rotation": 90}),
    "mirrored": (lambda g: g[:, ::-1], {"mirrored": 1}),
    "mirrored, then turned by -15": (
        lambda g: turned(np.ascontiguousarray(g[:, ::-1]), -15),
        {"mirrored": 1, "rotation": -15, "shown": 0.885, "covers": 0.885},
    ),
    "cut to 50 %": (lambda g: part(g, 0.5**0.5), {"shown": 0.5}),
    "cut to 30 %": (lambda g: part(g, 0.3**0.5), {"shown": 0.3}),
    "framed": (framed, {"covers": 1 / 1.44}),
}


HARD = {"squeezed": {"photo 4"}}
"""A half of scikit-image's `camera`, most of it bare sky."""


@pytest.mark.parametrize("edit", EDITS)
def test_a_copy_agrees_and_says_how_it_was_changed(edit: str) -> None:
    """For all 18 pictures, but for the smooth one of `HARD` in that edit."""
    apply, change = EDITS[edit]
    wanted = {"mirrored": 0, "rotation": 0, "shown": 1, "covers": 1, **change}
    missed = []
    for name, picture in pictures().items():
        verdict = compare(seen(apply(picture)), both(name), ENOUGH)
        if verdict is None or verdict.agreement < ENOUGH:
            missed.append(name)
            continue
        assert verdict.mirrored == wanted["mirrored"], name
        assert abs((verdict.rotation - wanted["rotation"] + 180) % 360 - 180) < 1.5, name
        assert verdict.shown == pytest.approx(wanted["shown"], abs=0.04), name
        assert verdict.covers == pytest.approx(wanted["covers"], abs=0.05), name
    assert set(missed) <= HARD.get(edit, set())


@pytest.mark.parametrize("inside_benchmark", [False, True], ids=["sample", "benchmark"])
@pytest.mark.parametrize(("name", "ground"), [("reef", "photo 2"), ("chart", "fabric"), ("photo 0", "city")])
def test_a_picture_pasted_into_another_is_where_it_was_put(name: str, ground: str, inside_benchmark: bool) -> None:
    """Whichever of the two holds the other: `covers` of the one is `shown` of the other."""
    whole = np.asarray(cv2.resize(pictures()[ground], (400, 300)), np.uint8)
    whole[100:250, 150:350] = cv2.resize(pictures()[name], (200, 150), interpolation=cv2.INTER_AREA)
    holder = seen(whole)
    images = (holder, mirrored(holder)) if inside_benchmark else both(name)
    verdict = compare(both(name)[0] if inside_benchmark else holder, images, ENOUGH)
    assert verdict is not None
    assert verdict.agreement > 0.7
    assert not verdict.mirrored
    shares = verdict.shown, verdict.covers
    assert shares == pytest.approx((0.25, 1) if inside_benchmark else (1, 0.25), abs=0.03)


def test_other_pictures_do_not_agree() -> None:
    """306 pairs, both ways round."""
    pairs = itertools.permutations(pictures(), 2)
    verdicts = {(a, b): compare(both(a)[0], both(b), ENOUGH) for a, b in pairs}
    assert len(verdicts) == 306
    assert [pair for pair, v in verdicts.items() if v is not None and v.agreement >= ENOUGH] == []


def with_the_middle_of(grey: Grey, other: Grey) -> Grey:
    """`grey` with the middle half of its sides, a quarter of its area, taken from another picture."""
    height, width = grey.shape
    box = slice(height // 4, 3 * height // 4), slice(width // 4, 3 * width // 4)
    changed = grey.copy()
    changed[box] = cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA)[box]
    return changed


def test_where_many_features_fit_nowhere_a_likely_pair_is_correlated() -> None:
    """A third of a picture of fine grain, enlarged: its features are others than those of the whole."""
    grain, light = (
        cv2.GaussianBlur(np.random.default_rng(seed).standard_normal((300, 400)), (0, 0), sigma)
        for seed, sigma in enumerate((1.0, 20.0))
    )
    grey = np.clip(128 + 15 * grain / grain.std() + 20 * light / light.std(), 0, 255).astype(np.uint8)
    whole, part = seen(grey), seen(cv2.resize(grey[136:, 181:], (400, 300)).astype(np.uint8))
    assert min(len(whole.points), len(part.points)) > FEW_FEATURES
    assert compare(part, (whole, mirrored(whole)), ENOUGH) is None
    verdict = compare(part, (whole, mirrored(whole)), ENOUGH, likely=True)
    assert verdict is not None
    assert verdict.agreement >= ENOUGH
    assert verdict.shown == pytest.approx(0.3, abs=0.03)


def test_a_bar_with_words_does_not_draw_the_alignment_away() -> None:
    """Fitted by 8 to 19 features the pictures lie right; the fine adjustment follows the words, and is not taken."""
    hills = np.repeat(pictures()["hills"][..., None], 3, axis=2)
    bar = simplejpeg.decode_jpeg(copy("20 % banner", hills, hills, np.random.default_rng(4)), "GRAY")[..., 0]
    fit = fit_features(seen(bar), both("hills")[0])
    assert fit is not None
    assert fit.points < SURE_POINTS
    moved = adjusted(seen(bar), both("hills")[0], fit.matrix)
    assert lay(seen(bar), both("hills")[0], moved).broad < lay(seen(bar), both("hills")[0], fit.matrix).broad / 2
    verdict = compare(seen(bar), both("hills"), ENOUGH)
    assert verdict is not None
    assert verdict.agreement >= ENOUGH


@pytest.mark.parametrize("name", ["photo 0", "photo 2", "reef", "city", "flowers"])
def test_another_picture_in_the_middle_counts_against_and_a_banner_does_not(name: str) -> None:
    """Two people before one wall are two pictures; words on a bar along an edge are an edit."""
    picture = pictures()[name]
    before = compare(seen(picture), both(name), ENOUGH)
    lookalike = compare(seen(with_the_middle_of(picture, pictures()["photo 5"])), both(name), ENOUGH)
    banner = picture.copy()
    bar = banner[: picture.shape[0] // 5]
    bar[:] = 240
    cv2.putText(bar, "Breaking news", (8, len(bar) - 8), cv2.FONT_HERSHEY_DUPLEX, len(bar) / 50, 0, 1)
    edited = compare(seen(banner), both(name), ENOUGH)
    assert before is not None
    assert lookalike is not None
    assert edited is not None
    assert before.agreement - lookalike.agreement > 2 * (before.agreement - edited.agreement)
    assert edited.agreement >= ENOUGH


def slope(slant: int) -> Grey:
    """Grey that rises from black to white, from left to right, or `slant` quarters of the way downwards."""
    along = np.broadcast_to(np.arange(256), (256, 256))
    return np.asarray((along * (4 - slant) + along.T * slant) // 4, np.uint8)


def test_two_slopes_are_two_pictures() -> None:
    one, other = seen(slope(0)), seen(slope(2))
    verdict = compare(one, (other, mirrored(other)), ENOUGH)
    assert verdict is None or verdict.agreement < ENOUGH


def hollow() -> dict[str, Grey]:
    """Pictures with nothing to tell them by."""
    rng, text = np.random.default_rng(7), np.full((200, 300), 255, np.uint8)
    other = text.copy()
    for page, words in ((text, "to be or not to be"), (other, "all rights reserved")):
        for line in range(3):
            cv2.putText(page, words, (10, 50 + 50 * line), cv2.FONT_HERSHEY_DUPLEX, 0.8, 0, 1, cv2.LINE_AA)
    return {
        "black": np.zeros((120, 160), np.uint8),
        "white": np.full((64, 64), 255, np.uint8),
        "1 px": np.full((1, 1), 77, np.uint8),
        "1 x 10000": rng.integers(0, 256, (1, 10_000), np.uint8),
        "10000 x 1": rng.integers(0, 256, (10_000, 1), np.uint8),
        "gradient": slope(0),
        "noise": rng.integers(0, 256, (200, 300), np.uint8),
        "other noise": rng.integers(0, 256, (256, 256), np.uint8),
        "text": text,
        "other text": other,
    }


def test_hollow_pictures_do_not_agree_with_one_another_or_with_any_picture() -> None:
    portraits = {name: seen(grey) for name, grey in hollow().items()}
    portraits |= {name: both(name)[0] for name in ("chart", "photo 3")}
    agreed = []
    for (a, mine), (b, its) in itertools.permutations(portraits.items(), 2):
        verdict = compare(mine, (its, mirrored(its)), ENOUGH)
        if verdict is not None and verdict.agreement >= ENOUGH:
            agreed.append((a, b, verdict))
    assert agreed == []


def test_the_same_pair_has_the_same_verdict_on_any_number_of_threads() -> None:
    def verdicts() -> list[tuple[float, float, float, bytes]]:
        found = []
        for name in ("city", "photo 1", "hills"):
            mine = seen(turned(part(pictures()[name], 0.8), 7))
            upright = seen(pictures()[name])
            verdict = compare(mine, (upright, mirrored(upright)), ENOUGH)
            assert isinstance(verdict, Verdict)
            found.append((verdict.agreement, verdict.shown, verdict.covers, verdict.matrix.tobytes()))
        return found

    threads = cv2.getNumThreads()
    try:
        first = verdicts()
        for count in (1, 4):
            cv2.setNumThreads(count)
            cv2.setRNGSeed(count)
            assert verdicts() == first
    finally:
        cv2.setNumThreads(threads)
