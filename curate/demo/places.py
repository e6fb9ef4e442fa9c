"""Drawn places: hills, city, sea, space, reef. Each kind is `(rng, size) -> Drawn`."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from curate.demo.brush import (
    BRIGHT,
    COLOURS,
    Colour,
    Drawn,
    Point,
    Rng,
    Size,
    a,
    blend,
    clouds,
    ellipse,
    gradient,
    light,
    listed,
    many,
    mix,
    noise,
    pick,
    place,
    ridge,
    sentence,
    some,
    spokes,
    tint,
    under,
)

SKIES: dict[str, tuple[Colour, Colour]] = {
    "a clear blue": ((70, 130, 210), (196, 224, 244)),
    "an orange evening": ((96, 72, 128), (250, 160, 84)),
    "a pink morning": ((150, 150, 210), (250, 196, 196)),
    "a grey": ((130, 138, 148), (208, 210, 210)),
    "a dark night": ((12, 16, 44), (50, 58, 104)),
    "a green stormy": ((54, 82, 84), (150, 172, 140)),
}


def hills(rng: Rng, size: Size) -> Drawn:
    """Rows of hills with trees, a house and a sun or a moon."""
    width, height = size
    sky, colour, count = pick(rng, list(SKIES)), pick(rng, ("green", "blue", "purple", "brown", "orange", "teal")), 0
    image = clouds(rng, gradient(size, *SKIES[sky]), mix(SKIES[sky][1], (255, 255, 255), 0.4), rng.uniform(0.1, 0.5))
    draw = ImageDraw.Draw(image)
    orb = _orb(rng, draw, size, sky)
    layers, trees, near = int(rng.integers(2, 6)), int(rng.integers(0, 11)), tint(rng, colour)
    start, rise = rng.uniform(0.3, 0.65), rng.uniform(0.06, 0.22)
    for layer in range(layers):
        depth = (layer + 1) / layers
        base = height * (start + (1 - start) * 0.85 * layer / layers)
        line = base - height * rise * ridge(rng, width, int(rng.integers(1, 5)))
        draw.polygon(under(line, height), mix(SKIES[sky][1], mix(near, (20, 24, 24), 0.4 * depth), 0.25 + 0.7 * depth))
        for _ in range(trees // layers + (layer < trees % layers)):
            x = float(rng.uniform(0.03, 0.97) * width)
            _tree(rng, draw, (x, float(line[int(x)])), height * (0.06 + 0.16 * depth))
            count += 1
    house = _house(rng, draw, size) if rng.random() < 0.5 else ""
    parts = [part for part in (orb, many(count, "tree") if count else "", house) if part]
    text = f"{many(layers, f'{colour} hill')} under {sky} sky" + (f" with {listed(parts)}" if parts else "")
    return Drawn(light(rng, image), sentence(text))


def _orb(rng: Rng, draw: ImageDraw.ImageDraw, size: Size, sky: str) -> str:
    """A sun, by night a moon; sometimes none."""
    if rng.random() < 0.3:
        return ""
    x, y, radius = rng.uniform(0.1, 0.9) * size[0], rng.uniform(0.08, 0.3) * size[1], rng.uniform(0.04, 0.1) * size[1]
    name, colour = ("moon", "white") if "night" in sky else ("sun", pick(rng, ("yellow", "orange", "red", "white")))
    draw.ellipse(ellipse(x, y, radius, radius), tint(rng, colour))
    return f"{a(colour)} {name} {place(x, size[0])}"


def _tree(rng: Rng, draw: ImageDraw.ImageDraw, foot: tuple[float, float], tall: float) -> None:
    """A pine or a round tree that stands on `foot`."""
    (x, y), leaf = foot, tint(rng, pick(rng, ("green", "green", "teal", "orange")), 30)
    draw.rectangle((x - tall * 0.05, y - tall * 0.4, x + tall * 0.05, y + tall * 0.1), tint(rng, "brown"))
    if rng.random() < 0.5:
        draw.polygon([(x - tall * 0.3, y - tall * 0.25), (x + tall * 0.3, y - tall * 0.25), (x, y - tall)], leaf)
    else:
        draw.ellipse(ellipse(x, y - tall * 0.6, tall * 0.28, tall * 0.4), leaf)


def _house(rng: Rng, draw: ImageDraw.ImageDraw, size: Size) -> str:
    """A house with a roof, a door and a window, and the words for it."""
    wide, wall = rng.uniform(0.1, 0.22) * size[0], pick(rng, ("white", "red", "yellow", "blue", "brown"))
    x, y = rng.uniform(0.05, 0.75) * size[0], rng.uniform(0.7, 0.95) * size[1]
    draw.rectangle((x, y - wide * 0.6, x + wide, y), tint(rng, wall))
    roof = [(x - wide * 0.1, y - wide * 0.6), (x + wide * 1.1, y - wide * 0.6), (x + wide / 2, y - wide * 1.05)]
    draw.polygon(roof, tint(rng, pick(rng, ("brown", "black", "red"))))
    draw.rectangle((x + wide * 0.15, y - wide * 0.38, x + wide * 0.35, y), tint(rng, "brown"))
    draw.rectangle((x + wide * 0.55, y - wide * 0.42, x + wide * 0.82, y - wide * 0.2), tint(rng, "yellow"))
    return f"a small {wall} house {place(x + wide / 2, size[0])}"


def city(rng: Rng, size: Size) -> Drawn:
    """A skyline: two rows of buildings with windows, a street with cars."""
    width, height = size
    sky, walls = pick(rng, list(SKIES)), some(rng, list(COLOURS), 3)
    image = clouds(rng, gradient(size, *SKIES[sky]), mix(SKIES[sky][1], (255, 255, 255), 0.3), rng.uniform(0.0, 0.5))
    draw = ImageDraw.Draw(image)
    orb, street, count = _orb(rng, draw, size, sky), rng.uniform(0.8, 0.95) * height, 0
    for row in range(2):
        x = rng.uniform(-0.1, 0.1) * width
        while x < width:
            wide = rng.uniform(0.06, 0.22) * width
            top = street - rng.uniform(0.12, 0.75 - 0.3 * row) * height
            fade = 0.5 * (1 - row)
            wall = mix(tint(rng, pick(rng, walls), 24), SKIES[sky][1], fade)
            _building(rng, draw, (x, top, x + wide, street), wall)
            x, count = x + wide + max(0.0, rng.uniform(-0.06, 0.08)) * width, count + row
    draw.rectangle((0, street, width, height), tint(rng, pick(rng, ("grey", "black"))))
    cars = int(rng.integers(0, 6))
    for _ in range(cars):
        _car(rng, draw, (rng.uniform(0, 0.9) * width, street + (height - street) * 0.6), width * 0.08)
    text = f"a city skyline under {sky} sky, {many(count, 'building')} in front, in {listed(walls)}"
    text += (f", {orb}" if orb else "") + (f", {many(cars, 'car')} on the street" if cars else "")
    return Drawn(light(rng, image), sentence(text))


def _building(rng: Rng, draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], wall: Colour) -> None:
    """A wall with a roof and rows of windows, some of them lit."""
    left, top, right, bottom = box
    draw.rectangle(box, wall)
    style, step = int(rng.integers(4)), rng.uniform(0.14, 0.3) * (right - left)
    if style == 0:
        draw.polygon(
            [(left, top), (right, top), ((left + right) / 2, top - (right - left) * 0.6)], mix(wall, (0, 0, 0), 0.3)
        )
    elif style == 1:
        draw.line([((left + right) / 2, top), ((left + right) / 2, top - (right - left) * 0.5)], wall, 2)
    lit, dark, tall = tint(rng, "yellow"), mix(wall, (10, 14, 30), 0.6), step * rng.uniform(0.7, 1.6)
    glow = rng.random((64, 8)) < rng.uniform(0.1, 0.8)
    for i in range(int((bottom - top) / tall)):
        for j in range(int((right - left) / step)):
            x, y = left + (j + 0.25) * step, top + (i + 0.25) * tall
            if x + step / 2 < right and y + tall / 2 < bottom:
                draw.rectangle((x, y, x + step * 0.5, y + tall * 0.5), lit if glow[i % 64, j % 8] else dark)


def _car(rng: Rng, draw: ImageDraw.ImageDraw, at: Point, wide: float) -> None:
    x, y = at
    draw.rectangle((x, y - wide * 0.3, x + wide, y), tint(rng, pick(rng, BRIGHT)))
    draw.rectangle((x + wide * 0.2, y - wide * 0.55, x + wide * 0.75, y - wide * 0.3), tint(rng, "white"))
    for wheel in (0.22, 0.78):
        draw.ellipse(ellipse(x + wide * wheel, y, wide * 0.12, wide * 0.12), (20, 20, 20))


def sea(rng: Rng, size: Size) -> Drawn:
    """Boats on waves, sometimes an island with a lighthouse."""
    width, height = size
    sky, water = pick(rng, list(SKIES)), pick(rng, ("blue", "teal", "green", "grey", "purple"))
    image = clouds(rng, gradient(size, *SKIES[sky]), mix(SKIES[sky][1], (255, 255, 255), 0.5), rng.uniform(0.1, 0.6))
    draw = ImageDraw.Draw(image)
    orb, horizon, near = _orb(rng, draw, size, sky), rng.uniform(0.3, 0.6), tint(rng, water)
    draw.rectangle((0, horizon * height, width, height), mix(near, SKIES[sky][1], 0.4))
    island = _island(rng, draw, size, horizon * height) if rng.random() < 0.45 else ""
    boats, sails, rows = int(rng.integers(0, 7)), some(rng, list(COLOURS), 2), int(rng.integers(4, 9))
    for row in range(rows):
        depth = (row + 1) / rows
        base = height * (horizon + (1 - horizon) * 0.95 * row / rows)
        for _ in range(boats // rows + (row < boats % rows)):
            _boat(rng, draw, (rng.uniform(0.05, 0.95) * width, base), (0.08 + 0.3 * depth) * height, sails)
        swell = base + height * (0.012 + 0.03 * depth) * ridge(rng, width, int(rng.integers(4, 12)))
        draw.polygon(
            under(swell, height), mix(SKIES[sky][1], mix(near, (10, 20, 40), rng.uniform(0, 0.5)), 0.4 + 0.6 * depth)
        )
    parts = [part for part in (orb, island) if part]
    text = f"{many(boats, 'sailing boat')} with {listed(sails)} sails on {a(water)} sea under {sky} sky"
    text = text if boats else f"an empty {water} sea under {sky} sky"
    return Drawn(light(rng, image), sentence(text + (f", {listed(parts)}" if parts else "")))


def _boat(rng: Rng, draw: ImageDraw.ImageDraw, at: Point, tall: float, sails: list[str]) -> None:
    x, y = at
    side = pick(rng, (-1, 1))
    hull = [
        (x - tall * 0.45, y - tall * 0.15),
        (x + tall * 0.45, y - tall * 0.15),
        (x + tall * 0.3, y + tall * 0.1),
        (x - tall * 0.3, y + tall * 0.1),
    ]
    draw.polygon(hull, tint(rng, pick(rng, ("brown", "black", "red"))))
    draw.polygon([(x, y - tall), (x, y - tall * 0.2), (x + side * tall * 0.42, y - tall * 0.2)], tint(rng, sails[0]))
    draw.polygon(
        [(x - side * 3, y - tall * 0.85), (x - side * 3, y - tall * 0.2), (x - side * tall * 0.3, y - tall * 0.2)],
        tint(rng, sails[1]),
    )


def _island(rng: Rng, draw: ImageDraw.ImageDraw, size: Size, horizon: float) -> str:
    """An island with a striped lighthouse, and the words for it."""
    x, wide, tall = (
        rng.uniform(0.15, 0.85) * size[0],
        rng.uniform(0.12, 0.3) * size[0],
        rng.uniform(0.12, 0.28) * size[1],
    )
    draw.ellipse(ellipse(x, horizon + 4, wide, tall * 0.35), tint(rng, pick(rng, ("brown", "green", "grey"))))
    colour, foot = pick(rng, ("red", "black", "blue")), horizon - tall * 0.25
    for stripe in range(5):
        y = foot - tall * stripe / 5
        draw.rectangle((x - tall * 0.1, y - tall / 5, x + tall * 0.1, y), tint(rng, "white" if stripe % 2 else colour))
    draw.ellipse(ellipse(x, foot - tall * 1.05, tall * 0.1, tall * 0.1), tint(rng, "yellow"))
    return f"{a(colour)} and white lighthouse {place(x, size[0])}"


def space(rng: Rng, size: Size) -> Drawn:
    """Planets with bands and rings among stars and a nebula."""
    width, height = size
    glow, dark = some(rng, BRIGHT, 2), tint(rng, "black")
    image = blend([dark, mix(dark, tint(rng, glow[0]), 0.6), tint(rng, glow[1])], 0.35 + 0.4 * noise(rng, size, 2, 5))
    draw = ImageDraw.Draw(image)
    for x, y, bright in rng.random((int(rng.integers(60, 240)), 3)):
        size_of = 0.4 + 1.6 * bright**4
        draw.ellipse(ellipse(x * width, y * height, size_of, size_of), (255, 250, int(190 + 60 * bright)))
    count, names = int(rng.integers(1, 5)), []
    for _ in range(count):
        name, radius = pick(rng, list(COLOURS)[:10]), rng.uniform(0.07, 0.3 if count < 3 else 0.2) * min(size)
        x, y, ringed = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height, rng.random() < 0.4
        _planet(rng, image, (x, y), radius, tint(rng, name))
        if ringed:
            draw.arc(
                ellipse(x, y, radius * 1.8, radius * 0.5), -20, 200, tint(rng, "white"), max(2, int(radius * 0.12))
            )
        names.append(f"{a(name)} planet{' with a ring' if ringed else ''} {place(x, width)}")
    return Drawn(light(rng, image), sentence(f"{listed(names)} in front of {a(glow[0])} and {glow[1]} nebula"))


def _planet(rng: Rng, image: Image.Image, at: Point, radius: float, colour: Colour) -> None:
    """A banded ball, lit from one side."""
    side = max(4, int(2 * radius))
    line = (np.arange(side) / (side - 1) * 2 - 1).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    band = np.sin(rng.uniform(3, 12) * (line[:, None] + 0.25 * noise(rng, (side, side), 2))) * 0.25
    lit = 0.55 + 0.4 * (line[None, :] * np.cos(angle) + line[:, None] * np.sin(angle)) + band
    disc = Image.new("L", (side, side))
    ImageDraw.Draw(disc).ellipse((0, 0, side - 1, side - 1), 255)
    image.paste(blend([(8, 8, 14), colour, (250, 246, 236)], lit), (int(at[0] - radius), int(at[1] - radius)), disc)


def reef(rng: Rng, size: Size) -> Drawn:
    """Fish among weeds and bubbles."""
    width, height = size
    water, colours, count = (
        pick(rng, ("blue", "teal", "green", "purple")),
        some(rng, BRIGHT, 2),
        int(rng.integers(1, 10)),
    )
    deep = mix(tint(rng, water), (8, 16, 40), rng.uniform(0.2, 0.6))
    image = blend([deep, tint(rng, water), (206, 236, 236)], 0.4 + 0.25 * noise(rng, size, 3, 3))
    draw = ImageDraw.Draw(image)
    sand = height * (0.88 - 0.05 * ridge(rng, width, 3))
    draw.polygon(under(sand, height), tint(rng, pick(rng, ("yellow", "brown", "grey", "white"))))
    weeds = int(rng.integers(0, 9))
    for _ in range(weeds):
        x, tall = rng.uniform(0, 1) * width, rng.uniform(0.15, 0.55) * height
        sway = 0.05 * width * ridge(rng, 24, 3)
        stem = [(x + float(s), height * 0.92 - tall * i / 23) for i, s in enumerate(sway)]
        draw.line(stem, tint(rng, pick(rng, ("green", "red", "teal")), 30), int(rng.integers(4, 12)), joint="curve")
    for _ in range(count):
        at = (rng.uniform(0.1, 0.9) * width, rng.uniform(0.08, 0.8) * height)
        _fish(rng, draw, at, rng.uniform(0.05, 0.16) * width, pick(rng, colours))
    for x, y, r in rng.random((int(rng.integers(3, 24)), 3)):
        draw.ellipse(ellipse(x * width, y * height, 2 + 6 * r, 2 + 6 * r), outline=(230, 244, 250), width=2)
    text = f"{many(count, 'fish').replace('fishs', 'fish')}, {listed(colours)}, swimming in {water} water"
    return Drawn(light(rng, image), sentence(text + (f" among {many(weeds, 'water weed')}" if weeds else "")))


def _fish(rng: Rng, draw: ImageDraw.ImageDraw, at: Point, long: float, name: str) -> None:
    (x, y), side, colour, tall = at, pick(rng, (-1, 1)), tint(rng, name, 30), rng.uniform(0.3, 0.7)
    tail = [
        (x - side * long * 0.8, y),
        (x - side * long * 1.4, y - long * 0.4),
        (x - side * long * 1.4, y + long * 0.4),
    ]
    draw.polygon(tail, mix(colour, (0, 0, 0), 0.25))
    draw.ellipse(ellipse(x, y, long, long * tall), colour)
    for stripe in range(int(rng.integers(0, 4))):
        at_x = x + side * long * (0.3 - 0.3 * stripe)
        draw.line(
            [(at_x, y - long * tall * 0.7), (at_x, y + long * tall * 0.7)], (250, 246, 230), max(2, int(long * 0.1))
        )
    draw.ellipse(ellipse(x + side * long * 0.65, y - long * 0.1, long * 0.12, long * 0.12), (250, 250, 250))
    draw.polygon(spokes(x + side * long * 0.67, y - long * 0.1, long * 0.06, 6), (10, 10, 10))
