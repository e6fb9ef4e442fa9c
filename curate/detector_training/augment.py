"""What the web does to pictures, drawn at random: the positives that the detector is trained on.

Geometry is one affine warp, so a picture is sampled once, whatever was done to it. Mirroring and quarter turns are not
here: the benchmark is signed in all eight of them, so the network need not spend itself on learning them.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from curate.detector.pixels import SIDE

Pixels = NDArray[np.uint8]
_WORDS = ("SALE", "www.photos.com", "NEW", "summer 2019", "@user", "50% OFF", "copyright", "Hello world", "pinterest")


class Frame(NamedTuple):
    """Where the picture lies in the new one: centre and size as shares of its side, turned by `angle` degrees."""

    centre: tuple[float, float]
    size: tuple[float, float]
    angle: float


def lightly(tile: Pixels, rng: np.random.Generator) -> Pixels:
    """The side of the benchmark: (S, S) uint8 grey -> (112, 112) uint8, whole or one of the crops it is signed in.

    One in eight is small, as the pictures of some benchmarks are.
    """
    share = 1.0 if rng.random() < 0.6 else float(rng.uniform(0.3, 1.0))
    seen = _warped(tile, _crop(share, 1.0, rng), _colour(tile), cv2.BORDER_REFLECT_101)
    return _shrunk(seen, rng) if rng.random() < 0.125 else seen


def strongly(tile: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """The side of the web: (S, S) uint8 grey -> (112, 112) uint8. `other` is the picture it may be pasted onto."""
    seen = _placed(tile, other, rng)
    for chance, edit in _EDITS:
        if rng.random() < chance:
            seen = edit(seen, rng)
    if rng.random() < 0.5:
        seen = _encoded(seen, rng)
    return seen


def _placed(tile: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    kind = rng.random()
    if kind < 0.25:
        return _pasted(tile, other, rng)
    angle = float(rng.normal(0, 9)) if rng.random() < 0.4 else 0.0
    if kind < 0.4:  # A border, or the corners that a turn leaves.
        width, height = rng.uniform(0.7, 1.0, 2)
        centre = (0.5 + (1 - width) * rng.uniform(-0.5, 0.5), 0.5 + (1 - height) * rng.uniform(-0.5, 0.5))
        return _warped(tile, Frame(centre, (width, height), angle), _ground(rng), cv2.BORDER_CONSTANT)
    share = float(np.exp(rng.uniform(np.log(0.22), 0))) if kind < 0.82 else 1.0
    fill = cv2.BORDER_CONSTANT if rng.random() < 0.5 else cv2.BORDER_REFLECT_101
    frame = _crop(share, float(np.exp(rng.normal(0, 0.12))), rng)._replace(angle=angle)
    return _warped(tile, frame, _ground(rng), fill)


def _crop(share: float, aspect: float, rng: np.random.Generator) -> Frame:
    """The frame that shows `share` of the picture's area, of a shape `aspect` times as wide as the picture's."""
    width, height = min(1.0, (share * aspect) ** 0.5), min(1.0, (share / aspect) ** 0.5)
    left, top = rng.uniform(0, 1 - width + 1e-9), rng.uniform(0, 1 - height + 1e-9)
    return Frame(((0.5 - left) / width, (0.5 - top) / height), (1 / width, 1 / height), 0.0)


def _warped(tile: Pixels, frame: Frame, ground: tuple[int], fill: int) -> Pixels:
    warped = cv2.warpAffine(tile, _matrix(tile, frame), (SIDE, SIDE), None, cv2.INTER_LINEAR, fill, ground)
    return np.asarray(warped, np.uint8)


def _matrix(tile: Pixels, frame: Frame) -> NDArray[np.float64]:
    """(2, 3): from pixels of the tile to pixels of the new picture."""
    turn = np.deg2rad(frame.angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    linear = rotation @ np.diag(np.array(frame.size) * SIDE / tile.shape[0])
    shift = np.array(frame.centre) * SIDE - linear @ np.full(2, tile.shape[0] / 2)
    return np.column_stack([linear, shift])


def _pasted(tile: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """At 0.3 to 0.8 of the area, anywhere on another picture or on one grey."""
    ground = _warped(other, _crop(float(rng.uniform(0.4, 1)), 1.0, rng), (0,), cv2.BORDER_REFLECT_101)
    if rng.random() < 0.3:
        ground[:] = _ground(rng)[0]
    width, height = np.clip(np.sqrt(rng.uniform(0.3, 0.8)) * np.exp(rng.normal(0, 0.12, 2)), 0, 0.98)
    centre = (rng.uniform(width / 2, 1 - width / 2), rng.uniform(height / 2, 1 - height / 2))
    matrix = _matrix(tile, Frame(centre, (width, height), 0.0))
    cv2.warpAffine(tile, matrix, (SIDE, SIDE), ground, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
    return ground


def _ground(rng: np.random.Generator) -> tuple[int]:
    """White, black or any grey, as OpenCV takes a colour."""
    kind = rng.random()
    return (255 if kind < 0.25 else 0 if kind < 0.5 else int(rng.integers(0, 256)),)


def _colour(tile: Pixels) -> tuple[int]:
    return (int(tile[0, 0]),)


def _light(seen: Pixels, rng: np.random.Generator) -> Pixels:
    """Brightness, contrast and gamma: one table of 256 values."""
    levels = np.arange(256) / 255
    levels = (levels ** np.exp(rng.normal(0, 0.25)) - 0.5) * np.exp(rng.normal(0, 0.25)) + 0.5 + rng.normal(0, 0.08)
    return np.asarray(cv2.LUT(seen, np.clip(levels * 255, 0, 255).astype(np.uint8)), np.uint8)


def _banner(seen: Pixels, rng: np.random.Generator) -> Pixels:
    """A bar of one grey over 8 to 25 % at one edge."""
    seen, deep = seen.copy(), int(rng.uniform(0.08, 0.25) * SIDE)
    edge = np.rot90(seen, int(rng.choice([0, 0, 2, 2, 1, 3])))
    edge[:deep] = _ground(rng)[0]
    return seen


def _text(seen: Pixels, rng: np.random.Generator) -> Pixels:
    seen = np.ascontiguousarray(seen)
    for _ in range(rng.integers(1, 4)):
        at = (int(rng.integers(-10, SIDE // 2)), int(rng.integers(12, SIDE)))
        font, size, thick = int(rng.integers(0, 8)), float(rng.uniform(0.3, 1.4)), int(rng.integers(1, 4))
        cv2.putText(seen, str(rng.choice(_WORDS)), at, font, size, _ground(rng), thick, cv2.LINE_AA)
    return seen


def _blur(seen: Pixels, rng: np.random.Generator) -> Pixels:
    return np.asarray(cv2.GaussianBlur(seen, (0, 0), float(rng.uniform(0.4, 1.8))), np.uint8)


def _noise(seen: Pixels, rng: np.random.Generator) -> Pixels:
    noisy = seen + rng.standard_normal(seen.shape, dtype=np.float32) * rng.uniform(4, 22)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _shrunk(seen: Pixels, rng: np.random.Generator) -> Pixels:
    """Down to 20 to 90 pixels a side and up again."""
    side = int(np.exp(rng.uniform(np.log(20), np.log(90))))
    small = cv2.resize(seen, (side, side), interpolation=cv2.INTER_AREA)
    grown = cv2.resize(small, (SIDE, SIDE), interpolation=int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC])))
    return np.asarray(grown, np.uint8)


def _encoded(seen: Pixels, rng: np.random.Generator) -> Pixels:
    grey = np.ascontiguousarray(seen[..., None])
    data = simplejpeg.encode_jpeg(grey, quality=int(rng.integers(8, 70)), colorspace="GRAY")
    decoded: Pixels = simplejpeg.decode_jpeg(data, colorspace="GRAY")
    return decoded[..., 0]


_EDITS = (
    (0.5, _light),
    (0.12, _banner),
    (0.15, _text),
    (0.12, _blur),
    (0.15, _noise),
    (0.3, _shrunk),
)
"""Each edit and its chance."""
