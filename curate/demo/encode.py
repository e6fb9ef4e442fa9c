"""Pictures as files, in the formats and with the oddities of the web."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from curate.demo.brush import Rng, pick


class File(NamedTuple):
    """An encoded picture: its bytes and the extension that tells their format."""

    data: bytes
    extension: str


def encoded(image: Image.Image, rng: Rng) -> File:
    """As most of the web would have it: JPEG of some quality, now and then PNG, WebP or GIF."""
    share = rng.random()
    if share < 0.84:
        return jpeg(image, int(pick(rng, (65, 75, 80, 85, 85, 90, 92, 95))), progressive=bool(rng.random() < 0.25))
    if share < 0.88:
        return saved(image, "png")
    return saved(image, "webp", quality=80, method=2) if share < 0.96 else saved(_palette(image), "gif")


def jpeg(image: Image.Image, quality: int, progressive: bool = False) -> File:
    """A JPEG of this quality, 1 to 95."""
    return saved(image, "jpg", quality=quality, progressive=progressive)


def saved(image: Image.Image, extension: str, **options: object) -> File:
    """The picture as Pillow writes it in the format of `extension`."""
    out = io.BytesIO()
    image.save(out, {"jpg": "JPEG"}.get(extension, extension.upper()), **options)
    return File(out.getvalue(), extension)


def _palette(image: Image.Image) -> Image.Image:
    return image.quantize(128)


def _turned_by_exif(image: Image.Image) -> File:
    """Stored on its side; tag 274 = 6 asks the reader to turn it a quarter clockwise."""
    exif = Image.Exif()
    exif[274] = 6
    return saved(image.transpose(Image.Transpose.ROTATE_90), "jpg", quality=88, exif=exif)


def _sixteen_bit(image: Image.Image) -> File:
    return saved(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), "png")


def _with_alpha(image: Image.Image) -> File:
    """Round corners cut out; what shows there is whatever lies behind."""
    mask = Image.new("L", image.size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, image.width - 1, image.height - 1), 24, 255)
    clear = image.copy()
    clear.putalpha(mask)
    return saved(clear, "png")


def _animated(image: Image.Image) -> File:
    """The picture, then two frames that show it turned; the first frame counts."""
    frames = [_palette(image.transpose(turn)) for turn in (Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM)]
    return saved(_palette(image), "gif", save_all=True, append_images=frames, duration=200, loop=0)


ODDITIES: dict[str, Callable[[Image.Image], File]] = {
    "turned by EXIF": _turned_by_exif,
    "CMYK JPEG": lambda image: jpeg(image.convert("CMYK"), 88),
    "grey JPEG": lambda image: jpeg(image.convert("L"), 85),
    "16-bit PNG": _sixteen_bit,
    "PNG with alpha": _with_alpha,
    "palette PNG": lambda image: saved(_palette(image), "png"),
    "animated GIF": _animated,
}
"""One picture each is stored like this; all of them are good pictures and must be kept."""
