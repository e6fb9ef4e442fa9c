"""Scenes made from both: photographs hung, pinned or laid into drawn surroundings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw

from curate.demo.brush import COLOURS, Drawn, Rng, Size, a, noise, pick, some, tint
from curate.demo.places import city, hills
from curate.demo.things import fabric, table


def collages(rng: Rng, tiles: list[Drawn], sizes: tuple[Size, ...]) -> Iterator[Drawn]:
    """Use up `tiles`, one or two a scene, each of them once, so that no two scenes share a part."""
    left = [tiles[int(i)] for i in rng.permutation(len(tiles))]
    while left:
        count = min(len(left), int(rng.integers(1, 3)))
        used, left = left[:count], left[count:]
        yield _collage(rng, used, pick(rng, sizes))


def _collage(rng: Rng, tiles: list[Drawn], size: Size) -> Drawn:
    ground, word = pick(rng, ((table, "on the wall above"), (fabric, "lying on"), (city, "before"), (hills, "before")))
    drawn = ground(rng, size)
    image, frame = drawn.image.copy(), pick(rng, list(COLOURS))
    for slot, tile in zip(some(rng, (0, 1), len(tiles)), tiles, strict=True):
        card = _framed(rng, tile.image, (round(size[0] * 0.36), round(size[1] * 0.42)), frame)
        at = (rng.uniform(0.03, 0.1) + 0.48 * slot) * size[0], rng.uniform(0.04, 0.4) * size[1]
        tilt = card.rotate(float(rng.uniform(-9, 9)), Image.Resampling.BICUBIC, expand=True)
        image.paste(tilt, (round(at[0]), round(at[1])), tilt)
    shown = " and ".join(tile.caption[:1].lower() + tile.caption[1:] for tile in tiles)
    inside = drawn.caption[:1].lower() + drawn.caption[1:]
    return Drawn(_aged(rng, image), f"{shown[:1].upper()}{shown[1:]} in {a(frame)} frame, {word} {inside}")


def _framed(rng: Rng, photo: Image.Image, within: Size, frame: str) -> Image.Image:
    """The photograph as an RGBA card with a frame, as large as fits."""
    card = photo.convert("RGBA")
    scale = min(within[0] / card.width, within[1] / card.height)
    card = card.resize((round(card.width * scale), round(card.height * scale)), Image.Resampling.LANCZOS)
    thick = int(rng.integers(5, 12))
    framed = Image.new("RGBA", (card.width + 2 * thick, card.height + 2 * thick), (*tint(rng, frame), 255))
    framed.paste(card, (thick, thick))
    ImageDraw.Draw(framed).rectangle((0, 0, framed.width - 1, framed.height - 1), outline=(20, 20, 20, 255))
    return framed


def _aged(rng: Rng, image: Image.Image) -> Image.Image:
    """One light over photograph and drawing, as if they had been taken together."""
    shade = 1 + 0.08 * noise(rng, image.size, 2, 3)[:, :, None]
    return Image.fromarray(np.clip(np.asarray(image) * shade, 0, 255).astype(np.uint8))
