"""The photographs of scikit-image's wheel, cut so that no two cuts share a pixel."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from curate.demo.brush import Drawn
from curate.errors import SourceError


class Photo(NamedTuple):
    """One photograph: how it is cut (across, down), what its cuts are for, and what it shows."""

    file: str
    across: int
    down: int
    use: str
    shows: str


PHOTOS = (
    Photo("chelsea.png", 2, 1, "benchmark", "a ginger tabby cat"),
    Photo("coffee.png", 2, 1, "benchmark", "an espresso in a red cup with a saucer and a spoon"),
    Photo("camera.png", 2, 1, "benchmark", "a man in a dark coat with a camera on a tripod, black and white"),
    Photo("coins.png", 2, 1, "benchmark", "rows of ancient coins, black and white"),
    Photo("astronaut.png", 2, 2, "corpus", "an astronaut in an orange suit before a flag and a model rocket"),
    Photo("retina.jpg", 3, 3, "corpus", "the back of an eye with its red vessels"),
    Photo("hubble_deep_field.jpg", 3, 2, "corpus", "far galaxies on a black sky"),
    Photo("moon.png", 2, 2, "corpus", "grey craters on the moon"),
    Photo("grass.png", 1, 1, "corpus", "grass seen from above, black and white"),
    Photo("gravel.png", 1, 1, "corpus", "small stones, black and white"),
    Photo("brick.png", 1, 1, "corpus", "a brick wall, black and white"),
    Photo("page.png", 1, 1, "corpus", "a printed page under uneven light"),
    Photo("text.png", 1, 1, "corpus", "formulas written by hand"),
    Photo("horse.png", 1, 1, "corpus", "the black outline of a standing horse"),
    Photo("logo.png", 1, 1, "corpus", "a round green and orange sign with a snake"),
    Photo("color.png", 1, 1, "corpus", "a wheel of all colours on black"),
    Photo("cell.png", 1, 1, "corpus", "a bright cell under the microscope"),
    Photo("motorcycle_left.png", 5, 3, "tile", "a red motorcycle in a garage"),
    Photo("ihc.png", 3, 3, "tile", "brown and violet tissue under the microscope"),
    Photo("rocket.jpg", 4, 2, "tile", "a white rocket on its launch pad at dusk"),
)
"""`motorcycle_right.png` shows the same scene as the left one, and the two chessboards are one: they are left out."""


def cuts(use: str) -> Iterator[Drawn]:
    """The cuts of all photographs for `use` (corpus, benchmark or tile), each with its caption."""
    folder = _folder()
    for photo in PHOTOS:
        if photo.use == use:
            yield from _cut(_on_white(folder / photo.file), photo)


def _folder() -> Path:
    found = importlib.util.find_spec("skimage")  # found, not imported: the import takes a second
    if found is None or found.origin is None:
        raise SourceError("the demo needs scikit-image's photographs: pip install 'curate[demo]'")
    return Path(found.origin).parent / "data"


def _on_white(path: Path) -> Image.Image:
    with Image.open(path) as image:
        whole = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole).convert("RGB")


def _cut(image: Image.Image, photo: Photo) -> Iterator[Drawn]:
    xs = np.linspace(0, image.width, photo.across + 1).astype(int).tolist()
    ys = np.linspace(0, image.height, photo.down + 1).astype(int).tolist()
    for row in range(photo.down):
        for column in range(photo.across):
            part = _part(row, photo.down, ("upper", "central", "lower")) + _part(
                column, photo.across, ("left", "middle", "right")
            )
            caption = f"A photograph of {photo.shows}" + (f", {part.strip()} part" if part else "")
            yield Drawn(image.crop((xs[column], ys[row], xs[column + 1], ys[row + 1])), caption)


def _part(at: int, count: int, words: tuple[str, str, str]) -> str:
    if count == 1:
        return ""
    return f" {words[0] if at == 0 else words[2] if at == count - 1 else words[1]}"
