"""What is drawn over a picture is seen: other words, a logo; what re-encoding does is not taken for it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from curate.demo.pictures import KINDS
from curate.ops.alignment import mirrored, portrait
from curate.ops.evidence import aligned
from curate.ops.overlay import overlaid
from curate.ops.views import preview
from tests.pictures import textured

Grey = NDArray[np.uint8]
SOME = sorted(KINDS)[::2]


def seen(grey: Grey) -> Grey:
    """By its preview, as a stored one is."""
    return np.asarray(preview(np.ascontiguousarray(grey)), np.uint8)


def picture(kind: str) -> Grey:
    return np.asarray(cv2.cvtColor(textured(kind), cv2.COLOR_RGB2GRAY), np.uint8)


def worded(grey: Grey, *lines: str) -> Grey:
    """White letters with black outlines, at the top and, of a second line, the bottom."""
    image = Image.fromarray(grey)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(36)
    for line, top in zip(lines, (8, grey.shape[0] - 52), strict=False):
        pen.text((20, top), line, font=font, fill=255, stroke_width=3, stroke_fill=0)
    return np.asarray(image, np.uint8)


def jpeg(grey: Grey) -> Grey:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], 0), np.uint8)


EDITS: dict[str, Callable[[Grey], Grey]] = {
    "as it is": lambda g: g,
    "JPEG q20": jpeg,
    "half the size": lambda g: np.asarray(cv2.resize(g, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8),
    "blurred": lambda g: np.asarray(cv2.GaussianBlur(g, (0, 0), 2), np.uint8),
    "darker, of less contrast": lambda g: np.asarray(g // 2 + 20, np.uint8),
}


def laid(one: Grey, other: Grey) -> bool:
    a, b = seen(one), seen(other)
    return overlaid(a, np.asarray(cv2.resize(b, a.shape[::-1], interpolation=cv2.INTER_CUBIC), np.uint8))


@pytest.mark.parametrize("edit", EDITS)
def test_other_words_are_seen_and_edits_are_not(edit: str) -> None:
    """Both with no words, with the same, with others, and with words on one of them."""
    wrong = []
    for kind in SOME:
        plain, apply = picture(kind), EDITS[edit]
        one, other = worded(plain, "I LOVE MONDAYS", "coffee"), worded(plain, "NEVER ON MONDAYS", "no tea")
        told = {
            "plain": laid(plain, apply(plain)),
            "same words": laid(one, apply(one)),
            "words on one": not laid(plain, apply(one)),
            "other words": not laid(one, apply(other)),
        }
        wrong += [(kind, case) for case, is_wrong in told.items() if is_wrong]
    assert wrong == []


def test_they_are_seen_where_pictures_had_to_be_aligned() -> None:
    """Cut on one side by a twelfth."""
    plain = picture("city")
    one, other = (worded(plain, text) for text in ("I LOVE MONDAYS", "NEVER ON MONDAYS"))
    for cut, drawn in ((one[:, 33:], False), (other[:, 33:], True)):
        sample, image = portrait(seen(cut)), portrait(seen(one))
        told = aligned(sample, (image, mirrored(image)), 0.5, look=True)
        assert told is not None
        assert told.overlaid == drawn


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_pictures_have_nothing_drawn_on_them(level: int) -> None:
    blank = np.full((100, 140), level, np.uint8)
    assert not overlaid(blank, blank)
    assert not overlaid(blank, blank, np.zeros(blank.shape, bool))
