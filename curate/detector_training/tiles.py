"""Training pictures: folders of freely licensed pictures -> one array of square tiles.

A large photograph gives many tiles: the whole, its quarters, its twelfths. Tiles of one picture overlap, so each tile
carries the number of its picture, and the loss never counts two tiles of one picture as different.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import chain, cycle
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.demo.pictures import KINDS
from curate.errors import SourceError

SIDE = 192
"""Pixels a side of a tile: a crop to 30 % of its area still has 105, about what the network sees."""

_GRIDS = ((1, 1, 0), (2, 2, 640), (3, 4, 1200), (5, 6, 2400))
"""Rows, columns and the least width in pixels of a picture from which that grid of tiles is cut."""
_KINDS = {".png", ".jpg", ".jpeg", ".webp"}
_LEAST_SIDE = 64

log = logging.getLogger(__name__)


class Tiles(NamedTuple):
    """`pixels` (N, 192, 192) uint8 grey, and `picture` (N,) int64: the number of the picture each was cut from."""

    pixels: NDArray[np.uint8]
    picture: NDArray[np.int64]


def tiles(folders: Iterable[Path], at_most: int, drawn: int, seed: int) -> Tiles:
    """Tiles of the pictures under `folders`, at most `at_most` files of each, and of `drawn` pictures drawn by code."""
    rng = np.random.default_rng(seed)
    pixels, picture = [], []
    for number, image in enumerate(chain(_read(folders, at_most, rng), _drawn(drawn, seed))):
        for tile in _cut(_on_ground(image, rng)):
            pixels.append(tile)
            picture.append(number)
    if not pixels:
        raise SourceError("no picture to train on: name folders with pictures, or have some drawn (--drawn)")
    return Tiles(np.stack(pixels), np.array(picture, dtype=np.int64))


def _drawn(count: int, seed: int) -> Iterator[Image.Image]:
    for number, kind in zip(range(count), cycle(KINDS.values()), strict=False):
        yield kind(np.random.default_rng([seed, number]), (320, 240)).image.convert("RGBA")


def _read(folders: Iterable[Path], at_most: int, rng: np.random.Generator) -> Iterator[Image.Image]:
    """The pictures that can be read; the others are named in the log."""
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _KINDS and path.is_file())
        for index in sorted(rng.permutation(len(paths))[:at_most]):
            try:
                with Image.open(paths[index]) as image:
                    yield image.convert("RGBA")
            except (OSError, ValueError, Image.DecompressionBombError) as error:
                log.warning("%s: not read, left out: %s", paths[index], error)


def _cut(picture: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The tiles of one picture, without those that show nearly nothing; none of a tiny picture."""
    height, width = picture.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        return
    for rows, columns, least in _GRIDS:
        if width < least:
            continue
        for row in range(rows):
            for column in range(columns):
                part = picture[
                    row * height // rows : (row + 1) * height // rows,
                    column * width // columns : (column + 1) * width // columns,
                ]
                tile: NDArray[np.uint8] = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
                if _shows_something(grey := _grey(tile)):
                    yield grey


def _shows_something(grey: NDArray[np.uint8]) -> bool:
    """Whether a quarter of 12 x 12 cells have detail: a corner of a drawing looks like too many others."""
    cells = grey.reshape(12, SIDE // 12, 12, SIDE // 12).astype(np.float32)
    return bool((cells.std(axis=(1, 3)) > 4).mean() > 0.25)


def _grey(tile: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(192, 192, 3) uint8 RGB -> (192, 192) uint8, ITU-R 601."""
    return (tile.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) + 0.5).astype(np.uint8)


def _on_ground(image: Image.Image, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cut-out pictures get a ground of one light colour, as they have on the web."""
    red, green, blue = (int(value) for value in rng.choice([255, 255, 240, 200], 3))
    ground = Image.new("RGBA", image.size, (red, green, blue, 255))
    return np.asarray(Image.alpha_composite(ground, image).convert("RGB"))
