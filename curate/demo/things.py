"""Drawn things and patterns: table, chart, fabric, flowers, fractal. Each kind is `(rng, size) -> Drawn`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from curate.demo.brush import (
    BRIGHT,
    COLOURS,
    Colour,
    Drawn,
    Floats,
    Levels,
    Rng,
    Size,
    a,
    blend,
    ellipse,
    gradient,
    light,
    listed,
    many,
    mix,
    noise,
    pick,
    ridge,
    sentence,
    some,
    spokes,
    tint,
)
from curate.demo.objects import OBJECTS, paint


def table(rng: Rng, size: Size) -> Drawn:
    """A still life: bottles, bowls, fruit and books on a table before a patterned wall."""
    width, height = size
    wall, top = some(rng, list(COLOURS), 2)
    image = gradient(size, tint(rng, wall), mix(tint(rng, wall), (255, 255, 255), 0.3))
    draw = ImageDraw.Draw(image)
    _wallpaper(rng, draw, size, mix(COLOURS[wall], (255, 255, 255), 0.45))
    edge = rng.uniform(0.5, 0.72) * height
    slope = rng.uniform(-0.08, 0.08) * height
    draw.polygon([(0, edge), (width, edge + slope), (width, height), (0, height)], tint(rng, top))
    count, names = int(rng.integers(2, 7)), []
    for i in range(count):
        name, colour = pick(rng, list(OBJECTS)), pick(rng, list(COLOURS))
        x = width * (i + rng.uniform(0.3, 0.7)) / count
        y, big = edge + rng.uniform(0.1, 0.9) * (height - edge), rng.uniform(0.16, 0.34) * height
        draw.ellipse(ellipse(x + big * 0.15, y, big * 0.5, big * 0.1), mix(COLOURS[top], (0, 0, 0), 0.5))
        paint(rng, draw, name, (x, y, big), tint(rng, colour))
        names.append(f"{a(colour)} {name}")
    return Drawn(light(rng, image), sentence(f"{listed(names)} on {a(top)} table in front of {a(wall)} wall"))


def _wallpaper(rng: Rng, draw: ImageDraw.ImageDraw, size: Size, colour: Colour) -> None:
    """Stripes, dots, a window, or nothing."""
    style, step = int(rng.integers(4)), int(rng.integers(18, 60))
    if style == 0:
        for x in range(0, size[0], step):
            draw.rectangle((x, 0, x + step // 3, size[1]), colour)
    elif style == 1:
        for x in range(0, size[0], step):
            for y in range(0, size[1], step):
                draw.ellipse(ellipse(x, y, step / 5, step / 5), colour)
    elif style == 2:
        left, top, wide = rng.uniform(0.05, 0.6) * size[0], rng.uniform(0.03, 0.15) * size[1], size[0] * 0.28
        draw.rectangle((left, top, left + wide, top + wide), (190, 220, 240), (250, 250, 250), 5)
        draw.line([(left + wide / 2, top), (left + wide / 2, top + wide)], (250, 250, 250), 4)


def chart(rng: Rng, size: Size) -> Drawn:
    """A bar, line, pie or scatter chart on a panel with a grid."""
    width, height = size
    paper, names = tint(rng, pick(rng, ("white", "white", "black", "grey", "yellow"))), some(rng, BRIGHT, 3)
    image = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(image)
    box = (
        rng.uniform(0.04, 0.2) * width,
        rng.uniform(0.04, 0.2) * height,
        rng.uniform(0.8, 0.97) * width,
        rng.uniform(0.8, 0.96) * height,
    )
    _grid(rng, draw, box, mix(paper, (128, 128, 128), 0.4))
    style, colours = int(rng.integers(4)), [tint(rng, name) for name in names]
    if style == 0:
        bars = int(rng.integers(4, 15))
        _bars(rng, draw, box, bars, colours)
        text = f"a bar chart with {many(bars, 'bar')} in {listed(names)}"
    elif style == 1:
        _lines(rng, draw, box, colours)
        text = f"a line chart with {listed([a(name) for name in names])} curve"
    elif style == 2:
        slices = int(rng.integers(3, 9))
        _pie(rng, draw, box, slices, colours)
        text = f"a pie chart with {many(slices, 'slice')} in {listed(names)}"
    else:
        _dots(rng, draw, box, colours)
        text = f"a scatter chart with clusters of {listed(names)} dots"
    return Drawn(light(rng, image, 0.13), sentence(text))


Box = tuple[float, float, float, float]


def _grid(rng: Rng, draw: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
    left, top, right, bottom = box
    for i in range(rows := int(rng.integers(3, 9))):
        y = top + (bottom - top) * i / rows
        draw.line([(left, y), (right, y)], colour, 1)
    draw.line([(left, top), (left, bottom), (right, bottom)], mix(colour, (0, 0, 0), 0.6), 3)


def _bars(rng: Rng, draw: ImageDraw.ImageDraw, box: Box, count: int, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    step, level = (right - left) / count, 0.2 + 0.75 * rng.random(count)
    for i in range(count):
        x, y = left + step * (i + 0.15), bottom - (bottom - top) * level[i]
        draw.rectangle((x, y, x + step * 0.7, bottom), colours[i % 3])
        draw.rectangle((x, y, x + step * 0.7, y + (bottom - y) * 0.3), mix(colours[i % 3], (0, 0, 0), 0.3))


def _lines(rng: Rng, draw: ImageDraw.ImageDraw, box: Box, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    for i, colour in enumerate(colours):
        level = (top + bottom) / 2 - (bottom - top) * 0.4 * ridge(rng, 40, 3)
        curve = [(left + (right - left) * j / 39, float(np.clip(y, top, bottom))) for j, y in enumerate(level)]
        if i == 0:
            draw.polygon([(left, bottom), *curve, (right, bottom)], mix(colour, (255, 255, 255), 0.4))
        draw.line(curve, colour, 5, joint="curve")


def _pie(rng: Rng, draw: ImageDraw.ImageDraw, box: Box, count: int, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    radius, turn = min(right - left, bottom - top) * rng.uniform(0.35, 0.48), rng.uniform(0, 360)
    x, y = rng.uniform(left + radius, max(left + radius, right - radius)), (top + bottom) / 2
    ends = turn + 360 * np.cumsum(share := rng.dirichlet(np.full(count, 4.0)))
    for i in range(count):
        shade = mix(colours[i % 3], (255, 255, 255) if i % 2 else (0, 0, 0), 0.15 * (i // 3))
        draw.pieslice(
            ellipse(x, y, radius, radius), float(ends[i] - 360 * share[i]), float(ends[i]), shade, (40, 40, 40)
        )


def _dots(rng: Rng, draw: ImageDraw.ImageDraw, box: Box, colours: list[Colour]) -> None:
    left, top, right, bottom = box
    for colour in colours:
        middle, spread = rng.uniform(0.2, 0.8, 2), rng.uniform(0.05, 0.16, 2)
        for x, y in np.clip(middle + spread * rng.standard_normal((int(rng.integers(12, 50)), 2)), 0.02, 0.98):
            draw.ellipse(ellipse(left + x * (right - left), top + y * (bottom - top), 6, 6), colour, (30, 30, 30))


WEAVES: dict[str, Callable[[Floats, Floats], Levels]] = {
    "checked": lambda x, y: 0.5 * (np.floor(x) % 2 + np.floor(y) % 2),
    "striped": lambda x, y: 0.5 * (np.floor(x) % 3),
    "dotted": lambda x, y: (np.hypot(x % 1 - 0.5, y % 1 - 0.5) < 0.3) + 0.5 * (np.floor(x) % 2),
    "zigzag": lambda x, y: 0.5 * (np.floor(x + np.abs(y % 2 - 1)) % 3),
    "tartan": lambda x, y: 0.3 * (1.0 * (x % 1 < 0.35) + (y % 1 < 0.35) + (x % 1 < 0.08) + (y % 1 < 0.08)),
    "woven": lambda x, y: 0.5 + 0.25 * (np.sin(6 * x) + np.sin(6 * y)),
}


def fabric(rng: Rng, size: Size) -> Drawn:
    """A woven pattern, turned and thrown into folds."""
    width, height = size
    names = some(rng, list(COLOURS), 3)
    turn, step = rng.uniform(0, np.pi), rng.uniform(26, 90)
    cos, sin = np.float32(np.cos(turn) / step), np.float32(np.sin(turn) / step)
    grid_y, grid_x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    fold = noise(rng, size, int(rng.integers(1, 4)), 2)
    x = grid_x * cos + grid_y * sin + np.float32(18 / step) * fold
    y = grid_y * cos - grid_x * sin + np.float32(14 / step) * noise(rng, size, 2, 2)
    style = pick(rng, list(WEAVES))
    image = blend([tint(rng, name) for name in names], WEAVES[style](x, y))
    shade = np.clip(1 + np.float32(13) * np.gradient(fold, axis=1), 0.4, 1.5).astype(np.float32)
    folded = Image.fromarray(np.clip(np.asarray(image) * shade[:, :, None], 0, 255).astype(np.uint8))
    return Drawn(light(rng, folded, 0.2), f"A {style} cloth in {listed(names)}, lying in folds")


def flowers(rng: Rng, size: Size) -> Drawn:
    """Flowers with petals and leaves before a soft background."""
    width, height = size
    back, names, count = pick(rng, list(COLOURS)), some(rng, BRIGHT, 2), int(rng.integers(1, 12))
    far = tint(rng, back)
    image = blend([mix(far, (0, 0, 0), 0.5), far, mix(far, (255, 255, 255), 0.5)], 0.5 + 0.3 * noise(rng, size, 4, 3))
    draw = ImageDraw.Draw(image)
    for _ in range(count):
        x, y = rng.uniform(0.08, 0.92) * width, rng.uniform(0.1, 0.75) * height
        radius = rng.uniform(0.08, 0.2 if count < 5 else 0.13) * min(size)
        lean = rng.uniform(-0.15, 0.15) * width
        draw.line([(x, y), (x + lean * 0.4, (y + height) / 2), (x + lean, height)], tint(rng, "green", 30), 5)
        leaf = (x + lean * 0.4, (y + height) / 2)
        draw.ellipse(ellipse(leaf[0] + radius * 0.6, leaf[1], radius * 0.6, radius * 0.22), tint(rng, "green", 30))
        _flower(rng, draw, (x, y, radius), tint(rng, pick(rng, names), 26))
    return Drawn(light(rng, image), sentence(f"{many(count, 'flower')}, {listed(names)}, before {a(back)} background"))


def _flower(rng: Rng, draw: ImageDraw.ImageDraw, at: tuple[float, float, float], colour: Colour) -> None:
    x, y, radius = at
    petals = int(rng.integers(5, 13))
    for px, py in spokes(x, y, radius * 0.62, petals, rng.uniform(0, 6)):
        wide = radius * min(0.5, 2.2 / petals)
        draw.ellipse(ellipse(px, py, wide, wide), colour, mix(colour, (0, 0, 0), 0.35))
    draw.ellipse(
        ellipse(x, y, radius * 0.35, radius * 0.35), tint(rng, pick(rng, ("yellow", "brown", "orange", "white")))
    )


def fractal(rng: Rng, size: Size) -> Drawn:
    """A part of a Julia set, z -> z^2 + c, coloured by how soon z escapes."""
    half = (size[0] // 2, size[1] // 2)
    names = some(rng, list(COLOURS), 4)
    c = np.complex64(_cardioid(rng.uniform(0.3, 2 * np.pi - 0.3)))
    zoom, turn = rng.uniform(0.6, 1.2), np.exp(1j * rng.uniform(0, np.pi))
    x = np.linspace(-1, 1, half[0]) * half[0] / half[1]
    z = ((x[None, :] + 1j * np.linspace(-1, 1, half[1])[:, None]) * zoom * turn).astype(np.complex64)
    z += np.complex64(rng.uniform(-0.4, 0.4) + 1j * rng.uniform(-0.4, 0.4))
    soon = np.zeros(z.shape, np.float32)
    for _ in range(26):
        z = z * z + c
        size_of = np.abs(z)
        soon += size_of < 4
        z = np.where(size_of < 4, z, np.complex64(5))
    level = (soon / 26) ** np.float32(rng.uniform(0.4, 0.9)) + 0.12 * noise(rng, half, 2)
    image = blend([tint(rng, name) for name in names], level).resize(size, Image.Resampling.BICUBIC)
    return Drawn(light(rng, image), f"A fractal of swirling arms in {listed(names)}")


def _cardioid(angle: float) -> complex:
    """A point just outside the main cardioid of the Mandelbrot set, where Julia sets have the finest arms."""
    turn = np.exp(1j * angle)
    return complex(1.03 * (turn / 2 - turn * turn / 4))
