"""The canonical ways to look at an image. Few on the corpus side, where they cost; many on the benchmark side.

| side      | view               | what                          | the edit it is there for                            |
|-----------|--------------------|-------------------------------|-----------------------------------------------------|
| corpus    | whole              | hash, embedding               | re-encoded, resized, squeezed; by embedding, most   |
| corpus    | square             | hash                          | whole here, cut to its centre in the benchmark      |
| corpus    | nw, ne, sw, se     | hash                          | one tile of a 2 x 2 collage                         |
| benchmark | whole              | hash, embedding               | as the corpus' whole                                |
| benchmark | square, evaluation | hash, embedding               | cut to the centre square, or to 224 of 256 of it    |
| benchmark | REGION+TURN        | hash; embedding of the whole  | mirrored, flipped, turned by quarters               |
| benchmark | whole+tilt, +inset | embedding                     | turned a little; pasted on another picture          |
| benchmark | crop-SIDE-RC       | embedding                     | cut to a third or half of the area, from anywhere   |

The benchmark's turned views meet the corpus' upright ones, so no turned view is made of the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from curate.detector.pixels import resized
from curate.ops.hashing import SIDE as HASHED
from curate.ops.verify import SIDE

Pixels = NDArray[np.uint8]
PREVIEW_AREA = 128 * 128
"""Largest area in px of the stored previews."""
_LONGEST = 512
"""Longest side in px of a preview, of however narrow a picture."""


class Box(NamedTuple):
    """A part of a picture, in shares of its width and height."""

    left: float
    top: float
    width: float
    height: float


class Turn(NamedTuple):
    """A turn: what it does to pixels; whether it mirrors, and then by how many degrees it turns clockwise."""

    apply: Callable[[Pixels], Pixels]
    mirrored: bool
    rotation: int


WHOLE = Box(0, 0, 1, 1)
QUARTERS = {
    "nw": Box(0, 0, 0.5, 0.5),
    "ne": Box(0.5, 0, 0.5, 0.5),
    "sw": Box(0, 0.5, 0.5, 0.5),
    "se": Box(0.5, 0.5, 0.5, 0.5),
}
TURNS = {
    "": Turn(lambda a: a, False, 0),
    "+mirror": Turn(lambda a: a[:, ::-1], True, 0),
    "+flip": Turn(lambda a: a[::-1], True, 180),
    "+rot90": Turn(lambda a: np.rot90(a, 1), False, -90),
    "+rot180": Turn(lambda a: np.rot90(a, 2), False, 180),
    "+rot270": Turn(lambda a: np.rot90(a, 3), False, 90),
    "+transpose": Turn(lambda a: a.swapaxes(0, 1), True, -90),
    "+transverse": Turn(lambda a: np.rot90(a, 2).swapaxes(0, 1), True, 90),
}
EVALUATION = 224 / 256
"""Side of ImageNet's evaluation crop in units of the centre square's."""
CROPS = {
    f"crop-{round(100 * side)}-{row}{column}": Box((1 - side) * column / 2, (1 - side) * row / 2, side, side)
    for side in (0.55, 0.75)
    for row in range(3)
    for column in range(3)
}
"""Nine places each of crops to 30 and to 56 % of the area; a crop elsewhere is no more than a seventh of a side off."""


def _tilted(pixels: Pixels, degrees: float) -> Pixels:
    """The picture turned clockwise about its centre, black in the corners."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), -degrees, 1)
    return cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _inset(pixels: Pixels) -> Pixels:
    """The picture in the middle of a ground of its mean colour, of twice its area."""
    y, x = (round(side * (2**0.5 - 1) / 2) for side in pixels.shape[:2])
    mean = np.round(pixels.mean(axis=(0, 1))).tolist()
    return cv2.copyMakeBorder(pixels, y, y, x, x, cv2.BORDER_CONSTANT, value=mean)  # type: ignore[return-value]


POSES = {
    "+tilt-15": Turn(lambda a: _tilted(a, -15), False, -15),
    "+tilt15": Turn(lambda a: _tilted(a, 15), False, 15),
    "+inset": Turn(_inset, False, 0),
}
"""Turned a little, and laid on a ground of its mean colour at half its area: what is only embedded."""


def square(width: int, height: int, share: float = 1.0) -> Box:
    """The largest centred square of a picture of `width` x `height` px, or the centre of it of `share` of its side."""
    side = min(width, height) * share
    return Box((1 - side / width) / 2, (1 - side / height) / 2, side / width, side / height)


def overlap(one: Box, other: Box) -> tuple[Box, Box]:
    """Of two pictures of which these centred parts are the same: the centred part of each that the other shows too."""
    across = min(1 / one.width, 1 / other.width)
    down = min(1 / one.height, 1 / other.height)
    sides = [(min(1.0, box.width * across), min(1.0, box.height * down)) for box in (one, other)]
    first, second = (Box((1 - width) / 2, (1 - height) / 2, width, height) for width, height in sides)
    return first, second


def corpus_regions(width: int, height: int) -> dict[str, Box]:
    """What is hashed of a corpus picture of `width` x `height` px."""
    return {"whole": WHOLE, "square": square(width, height), **QUARTERS}


def benchmark_regions(width: int, height: int) -> dict[str, Box]:
    """What is hashed, in every turn, of a benchmark picture; `square` only where it is not the whole."""
    cut = {} if width == height else {"square": square(width, height)}
    return {"whole": WHOLE, **cut, "evaluation": square(width, height, EVALUATION)}


def embedded_views(width: int, height: int) -> Iterator[tuple[str, Box, Turn]]:
    """What is embedded of a benchmark picture: name, part, turn."""
    upright = TURNS[""]
    for name, box in benchmark_regions(width, height).items():
        yield name, box, upright
    for name, turn in {**TURNS, **POSES}.items():
        if name:
            yield "whole" + name, WHOLE, turn
    for name, box in CROPS.items():
        yield name, box, upright


def cut(pixels: Pixels, box: Box) -> Pixels:
    """The part of a picture: (H, W, ...) uint8 -> (h, w, ...) uint8, at least one px a side."""
    height, width = pixels.shape[:2]
    top, left = round(box.top * height), round(box.left * width)
    down, along = max(1, round(box.height * height)), max(1, round(box.width * width))
    return pixels[min(top, height - 1) : top + down, min(left, width - 1) : left + along]


def hashed(grey: Pixels, squashed: Pixels, regions: dict[str, Box]) -> Pixels:
    """The parts as hashes look at them: a picture, (H, W) uint8, and its squash, (128, 128) uint8 -> (R, 64, 64) uint8.

    What takes in half of both sides or more is cut from the squash, where it has as many pixels as are looked at.
    """
    sources = (squashed if min(box.width, box.height) >= 0.5 else grey for box in regions.values())
    parts = (cut(source, box) for source, box in zip(sources, regions.values(), strict=True))
    return np.stack([resized(part, HASHED, HASHED) for part in parts])


def thumbnail(seen: Pixels) -> Pixels:
    """Shrink a view for verification: (64, 64) uint8 -> (1024,) uint8."""
    small = cv2.resize(seen, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small.reshape(-1)  # type: ignore[return-value]


def preview(grey: Pixels) -> Pixels:
    """Shrink a picture, its shape kept, for alignment: (H, W) uint8 -> (h, w) uint8 with h * w <= 128 * 128."""
    height, width = grey.shape
    scale = min(1.0, (PREVIEW_AREA / (height * width)) ** 0.5, _LONGEST / max(height, width))
    if scale == 1:
        return grey
    size = max(1, int(width * scale)), max(1, int(height * scale))
    return resized(grey, *size)
