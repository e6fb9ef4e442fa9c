"""Edits: what pictures undergo on the web. Known copies are made with these, to measure what is found of them.

Every edit takes a picture, (H, W, 3) uint8 RGB, another picture of that kind for the ground it may be laid on, and a
random generator; it gives a new picture. `copy` saves that as JPEG of quality 90.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Rng = np.random.Generator
Edit = Callable[[Pixels, Pixels, Rng], Pixels]


def copy(name: str, picture: Pixels, other: Pixels, rng: Rng) -> bytes:
    """The edited picture as JPEG bytes. `name` is a key of `EDITS`."""
    edited = np.ascontiguousarray(EDITS[name](picture, other, rng))
    return bytes(simplejpeg.encode_jpeg(edited, quality=90, colorsubsampling="420"))


def _resized(picture: Pixels, width: int, height: int) -> Pixels:
    shrinks = width * height < picture.shape[0] * picture.shape[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(picture, (max(1, width), max(1, height)), interpolation=how)  # type: ignore[return-value]


def _jpeg_10(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    coded = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=10)
    return np.asarray(simplejpeg.decode_jpeg(coded))


def _half(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    return _resized(picture, picture.shape[1] // 2, picture.shape[0] // 2)


def _long_side(side: int) -> Edit:
    def edit(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
        scale = side / max(picture.shape[:2])
        return _resized(picture, round(picture.shape[1] * scale), round(picture.shape[0] * scale))

    return edit


def _squash(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    return _resized(picture, 224, 224)


def _blur(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    return cv2.GaussianBlur(picture, (0, 0), 2.0)  # type: ignore[return-value]


def _grey(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[return-value]


def _lit(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    """Brightness times 1.4, then contrast times 1.4 about the mean grey, as Pillow's enhancers do."""
    bright = np.clip(picture * 1.4, 0, 255)
    lit: Pixels = np.clip((bright - bright.mean()) * 1.4 + bright.mean(), 0, 255).astype(np.uint8)
    return lit


def _saturated(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    grey = _grey(picture, other, rng).astype(np.float32)
    return np.clip(grey + (picture - grey) * 2, 0, 255).astype(np.uint8)


def _noise(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    return np.clip(picture + rng.normal(0, 15, picture.shape), 0, 255).astype(np.uint8)


def _text(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    """A line of white letters with black edges, most of the width, somewhere in the picture."""
    drawn, (height, width) = picture.copy(), picture.shape[:2]
    words = str(rng.choice(["SUMMER SALE 50%", "www.example.com", "best picture ever", "PHOTO BY SOMEONE"]))
    (length, tall), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_DUPLEX, 1.0, 2)
    scale = 0.8 * width / length
    at = (int(0.1 * width), int(rng.uniform(tall * scale, max(tall * scale + 1, height - 4))))
    for colour, thick in (((0, 0, 0), 6), ((255, 255, 255), 2)):
        cv2.putText(drawn, words, at, cv2.FONT_HERSHEY_DUPLEX, scale, colour, max(1, round(thick * scale)), cv2.LINE_AA)
    return drawn


def _mirror(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    return picture[:, ::-1]


def _quarter_turn(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    return np.rot90(picture, int(rng.integers(1, 4)))


def _crop(share: float) -> Edit:
    """`share` of the area, the same shape, from anywhere."""

    def edit(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
        height, width = (round(side * share**0.5) for side in picture.shape[:2])
        top, left = rng.integers(picture.shape[0] - height + 1), rng.integers(picture.shape[1] - width + 1)
        return picture[top : top + height, left : left + width]

    return edit


def _evaluation_crop(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    """ImageNet's: short side to 256 px, then the centre 224 x 224."""
    scale = 256 / min(picture.shape[:2])
    small = _resized(picture, round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    top, left = (small.shape[0] - 224) // 2, (small.shape[1] - 224) // 2
    return small[top : top + 224, left : left + 224]


def _border(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    """A frame of one colour, a tenth of the picture's sides on each side."""
    y, x = (round(side * 0.1) for side in picture.shape[:2])
    colour = _some_colour(rng)
    return cv2.copyMakeBorder(picture, y, y, x, x, cv2.BORDER_CONSTANT, value=colour)  # type: ignore[return-value]


def _some_colour(rng: Rng) -> tuple[int, int, int]:
    """White, black or any, equally often."""
    white, black = (255, 255, 255), (0, 0, 0)
    kind = int(rng.integers(3))
    return (white, black, tuple(int(value) for value in rng.integers(0, 256, 3)))[kind]  # type: ignore[return-value]


def _banner(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    """The upper or lower fifth is covered by a bar with words."""
    drawn, deep = picture.copy(), round(picture.shape[0] * 0.2)
    top = 0 if rng.random() < 0.5 else picture.shape[0] - deep
    colour = _some_colour(rng)
    drawn[top : top + deep] = colour
    ink = (0, 0, 0) if sum(colour) > 382 else (255, 255, 255)
    scale = deep / 50
    cv2.putText(drawn, "Breaking news", (8, top + round(deep * 0.7)), cv2.FONT_HERSHEY_DUPLEX, scale, ink, 1)
    return drawn


def _rotated(degrees: float, *, cropped: bool) -> Edit:
    """Turned either way; `cropped` to the largest frame of the same shape without corners, else black corners."""

    def edit(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
        height, width = picture.shape[:2]
        angle = degrees * (1 if rng.random() < 0.5 else -1)
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
        turned = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC)
        if not cropped:
            return turned  # type: ignore[return-value]
        sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
        long, short = max(width, height), min(width, height)
        keep = 1 / (cosine + sine * long / short)
        y, x = (int(side * (1 - keep) / 2) + 1 for side in (height, width))
        return turned[y : height - y, x : width - x]  # type: ignore[return-value]

    return edit


def _pasted(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    """Anywhere on another picture of the same shape, at half of its area."""
    height, width = picture.shape[:2]
    ground = _resized(other, width, height).copy()
    small = _resized(picture, round(width * 0.5**0.5), round(height * 0.5**0.5))
    top, left = rng.integers(height - small.shape[0] + 1), rng.integers(width - small.shape[1] + 1)
    ground[top : top + small.shape[0], left : left + small.shape[1]] = small
    return ground


def _collage(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    """One tile of four of equal size; the other three are parts of another picture."""
    height, width = picture.shape[:2]
    big = _resized(other, 2 * width, 2 * height).copy()
    tiles = [big[y : y + height, x : x + width] for y in (0, height) for x in (0, width)]
    shuffled = [tiles[i][:, ::-1] for i in rng.permutation(4)]
    shuffled[int(rng.integers(4))] = picture
    return np.vstack([np.hstack(shuffled[:2]), np.hstack(shuffled[2:])])


def _three(picture: Pixels, other: Pixels, rng: Rng) -> Pixels:
    """Three different ones of the milder edits, in random order, then 64 px."""
    for name in rng.choice(_IN_A_ROW, 3, replace=False):
        picture = np.ascontiguousarray(EDITS[str(name)](picture, other, rng))
    return _long_side(64)(picture, other, rng)


_IN_A_ROW = (
    *("JPEG q10", "squash to square", "blur 2", "grey", "brightness + contrast 1.4", "saturation 2", "noise 15"),
    *("text overlay", "mirror", "crop to 90 %", "crop to 70 %", "10 % border", "rotate 3 degrees + crop"),
)

EDITS: dict[str, Edit] = {
    "JPEG q10": _jpeg_10,
    "resize 50 %": _half,
    "squash to square": _squash,
    "blur 2": _blur,
    "grey": _grey,
    "brightness + contrast 1.4": _lit,
    "saturation 2": _saturated,
    "noise 15": _noise,
    "text overlay": _text,
    "resize to 32 px": _long_side(32),
    "mirror": _mirror,
    "quarter turn": _quarter_turn,
    "crop to 90 %": _crop(0.9),
    "crop to 70 %": _crop(0.7),
    "evaluation crop": _evaluation_crop,
    "10 % border": _border,
    "20 % banner": _banner,
    "rotate 3 degrees + crop": _rotated(3, cropped=True),
    "crop to 50 %": _crop(0.5),
    "crop to 30 %": _crop(0.3),
    "rotate 15 degrees": _rotated(15, cropped=False),
    "paste at half area": _pasted,
    "tile of a collage": _collage,
    "three edits, 64 px": _three,
}
"""The edits of the table in the README, by the names that are printed there."""
