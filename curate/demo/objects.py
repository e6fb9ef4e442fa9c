"""The objects of the drawn still lifes, as shapes: data, and the one function that paints them."""

from __future__ import annotations

from typing import NamedTuple

from PIL import ImageDraw

from curate.demo.brush import Colour, Point, Rng, mix


class Shape(NamedTuple):
    """A polygon, an ellipse or an arc: its points (or the corners of its box), and which shade of the object it has.

    Points are in units of the object's height, x from its middle and y upwards from its foot.
    """

    form: str
    shade: str
    points: tuple[Point, ...]


OBJECTS: dict[str, tuple[Shape, ...]] = {
    "bottle": (
        Shape("polygon", "own", ((-0.18, 0), (0.18, 0), (0.18, 0.65), (0.08, 0.78), (-0.08, 0.78), (-0.18, 0.65))),
        Shape("polygon", "dark", ((-0.07, 0.75), (0.07, 0.75), (0.07, 1.15), (-0.07, 1.15))),
        Shape("polygon", "lit", ((-0.12, 0.1), (-0.05, 0.1), (-0.05, 0.65), (-0.12, 0.65))),
    ),
    "bowl": (
        Shape("chord", "own", ((-0.5, 0.9), (0.5, 0))),
        Shape("ellipse", "dark", ((-0.5, 0.57), (0.5, 0.33))),
    ),
    "cup": (
        Shape("arc", "dark", ((0.15, 0.42), (0.45, 0.08))),
        Shape("chord", "own", ((-0.3, 0.9), (0.3, 0))),
        Shape("ellipse", "dark", ((-0.3, 0.57), (0.3, 0.33))),
    ),
    "apple": (
        Shape("ellipse", "own", ((-0.3, 0.56), (0.3, 0))),
        Shape("ellipse", "lit", ((-0.18, 0.46), (-0.02, 0.3))),
        Shape("polygon", "dark", ((-0.02, 0.5), (0.02, 0.5), (0.08, 0.72), (0.04, 0.72))),
    ),
    "vase": (
        Shape("polygon", "own", ((-0.1, 1), (0.1, 1), (0.3, 0.45), (0.1, 0), (-0.1, 0), (-0.3, 0.45))),
        Shape("polygon", "lit", ((-0.1, 1), (0, 1), (-0.09, 0.45), (-0.1, 0), (-0.3, 0.45))),
    ),
    "book": (
        Shape("polygon", "own", ((-0.3, 0), (0.3, 0), (0.3, 0.7), (-0.3, 0.7))),
        Shape("polygon", "dark", ((0.3, 0), (0.42, 0.12), (0.42, 0.82), (0.3, 0.7))),
        Shape("polygon", "lit", ((-0.2, 0.45), (0.15, 0.45), (0.15, 0.6), (-0.2, 0.6))),
    ),
    "box": (
        Shape("polygon", "own", ((-0.42, 0), (0.42, 0), (0.42, 0.6), (-0.42, 0.6))),
        Shape("polygon", "dark", ((0.42, 0), (0.6, 0.15), (0.6, 0.75), (0.42, 0.6))),
        Shape("polygon", "lit", ((-0.42, 0.6), (0.42, 0.6), (0.6, 0.75), (-0.24, 0.75))),
    ),
}


def paint(rng: Rng, draw: ImageDraw.ImageDraw, name: str, at: tuple[float, float, float], colour: Colour) -> None:
    """Paint the named object with its foot on (x, y), `big` px high and more or less stout."""
    x, y, big = at
    stout = big * rng.uniform(0.8, 1.3)
    shades = {"own": colour, "dark": mix(colour, (0, 0, 0), 0.35), "lit": mix(colour, (255, 255, 255), 0.45)}
    for form, shade, points in OBJECTS[name]:
        placed = [(x + stout * right, y - big * up) for right, up in points]
        if form == "polygon":
            draw.polygon(placed, shades[shade])
        elif form == "ellipse":
            draw.ellipse(placed, shades[shade])
        elif form == "chord":
            draw.chord(placed, 0, 180, shades[shade])
        else:
            draw.arc(placed, -90, 90, shades[shade], 4)
