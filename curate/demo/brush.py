"""What every drawn kind paints with: sizes, colours with names, noise, skies and words for captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Rng = np.random.Generator
Size = tuple[int, int]
Colour = tuple[int, int, int]
Point = tuple[float, float]
Floats = NDArray[np.float32]
Levels = NDArray[np.floating[Any]]
T = TypeVar("T")

COLOURS: dict[str, Colour] = {
    "red": (198, 44, 48),
    "orange": (236, 134, 40),
    "yellow": (240, 206, 62),
    "green": (66, 146, 72),
    "teal": (34, 140, 142),
    "blue": (52, 98, 190),
    "purple": (122, 66, 160),
    "pink": (232, 134, 170),
    "brown": (126, 84, 52),
    "grey": (132, 134, 138),
    "white": (236, 234, 226),
    "black": (34, 34, 40),
}
BRIGHT = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

LIGHTING = 0.17
"""How much the light of a drawn picture wavers. Real photographs are rough at every scale; flat drawings are not, and
the small coefficients of their hashes would be noise that the next JPEG turns over."""


class Drawn(NamedTuple):
    """A picture and the sentence that describes it."""

    image: Image.Image
    caption: str


def pick(rng: Rng, choices: Sequence[T]) -> T:
    """One of `choices`."""
    return choices[int(rng.integers(len(choices)))]


def some(rng: Rng, choices: Sequence[T], count: int) -> list[T]:
    """`count` different ones of `choices`."""
    return [choices[int(i)] for i in rng.permutation(len(choices))[:count]]


def tint(rng: Rng, name: str, spread: int = 16) -> Colour:
    """The named colour, each channel up to `spread` levels off."""
    red, green, blue = (int(np.clip(c + rng.integers(-spread, spread + 1), 0, 255)) for c in COLOURS[name])
    return red, green, blue


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` moved towards `other` by `share` (0 to 1)."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def noise(rng: Rng, size: Size, cells: int, octaves: int = 4, fade: float = 0.6) -> Floats:
    """Smooth noise, (H, W) float32 of about -1 to 1: `cells` bumps along the width, doubled and faded each octave."""
    width, height = size
    total = np.zeros((height, width), np.float32)
    weight, power = 1.0, 0.0
    for octave in range(octaves):
        across = cells * 2**octave
        grid = rng.standard_normal((max(2, across * height // width), max(2, across))).astype(np.float32)
        total += weight * np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC))
        power += weight**2
        weight *= fade
    total /= np.float32(1.6 * np.sqrt(power))
    return total


def gradient(size: Size, top: Colour, bottom: Colour) -> Image.Image:
    """A picture that goes from `top` to `bottom`."""
    width, height = size
    rows = np.linspace(np.array(top), np.array(bottom), height).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(rows[:, None], (height, width, 3))))


def blend(colours: Sequence[Colour], level: Levels) -> Image.Image:
    """Paint (H, W) levels of 0 to 1 with a row of colours, the first at 0 and the last at 1."""
    stops = np.linspace(0, 255, len(colours))
    table = np.stack([np.interp(np.arange(256), stops, [c[i] for c in colours]) for i in range(3)], axis=1)
    return Image.fromarray(table.astype(np.uint8)[(np.clip(level, 0, 1) * 255).astype(np.uint8)])


def light(rng: Rng, image: Image.Image, strength: float = LIGHTING) -> Image.Image:
    """Let light and shade waver over the picture at every scale down to 1/48 of its width, and add a fine grain."""
    shade = 1 + strength * noise(rng, image.size, 3, octaves=5, fade=0.85)
    grain = rng.standard_normal((image.height // 2 + 1, image.width // 2 + 1), np.float32)
    shade += 0.02 * grain.repeat(2, axis=0).repeat(2, axis=1)[: image.height, : image.width]
    lit = np.asarray(image, np.float32) * shade[:, :, None]
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


def clouds(rng: Rng, image: Image.Image, colour: Colour, cover: float) -> Image.Image:
    """Lay clouds over the picture, `cover` (0 to 1) of it."""
    mask = np.clip((noise(rng, image.size, 3, octaves=5) - 1 + 2 * cover) * 220, 0, 235).astype(np.uint8)
    return Image.composite(Image.new("RGB", image.size, colour), image, Image.fromarray(mask))


def ridge(rng: Rng, width: int, rough: int) -> Floats:
    """A line of heights, (width,) float32 of about -1 to 1, with `rough` bumps along it."""
    line: Floats = noise(rng, (width, 2), rough, octaves=4, fade=0.5)[0]
    return line


def under(line: Sequence[float] | Floats, height: int) -> list[Point]:
    """The polygon between a line of y positions, one a pixel, and the bottom of the picture."""
    return [(0, height), *((float(x), float(y)) for x, y in enumerate(line)), (len(line), height)]


def ellipse(x: float, y: float, across: float, down: float) -> tuple[float, float, float, float]:
    """The box of an ellipse around (x, y) with these half axes."""
    return x - across, y - down, x + across, y + down


def spokes(x: float, y: float, radius: float, count: int, turn: float = 0.0) -> list[Point]:
    """`count` points on a circle, the first at `turn` radians."""
    angles = turn + 2 * np.pi * np.arange(count) / count
    return [(float(x + radius * np.cos(a)), float(y + radius * np.sin(a))) for a in angles]


def place(x: float, width: int) -> str:
    """Where along the width: on the left, in the middle, on the right."""
    return ("on the left", "in the middle", "on the right")[min(2, int(3 * x / width))]


def a(noun: str) -> str:
    """The noun with its article: `a red`, `an orange`."""
    return f"an {noun}" if noun[0] in "aeio" else f"a {noun}"


def many(count: int, noun: str) -> str:
    """The count as an English phrase: `one boat`, `three boats`, `many boats`."""
    number = NUMBERS[count] if count < len(NUMBERS) else "many"
    return f"{number} {noun}" if count == 1 else f"{number} {noun}s"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
