"""Bytes of an untrusted image in, pixels or a fault out. The one place where images are decoded.

One rule for each oddity, the same for corpus and benchmark:
EXIF rotation is applied; alpha is laid on white, as a web page shows it; palettes are expanded; CMYK goes through
Pillow; 16 bits keep their upper 8; of an animation the first frame counts; SVG is never rendered.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
MAX_PIXELS = 178_956_970
"""Pillow's own limit against decompression bombs, the most that any setting may allow."""

_ORIENTATION = 0x0112
_FAST = (8, 4, 2)
"""JPEGs are decoded whole, or to one such part of their sides: turbojpeg has vector code for these. The other sizes it
knows, such as 3/8 and 5/8, take it longer than the next larger one of these.
"""
_SCAN = b"\xff\xda"
_MAX_SCANS = 100
"""Scans that a progressive JPEG may have (encoders make about ten): each costs a pass over all its pixels."""
_COSTLY = 10**10
"""Pixels times bytes from which on a JPEG's scans are counted: below, even the worst decodes in about a second."""


class Fault(NamedTuple):
    """Why an image cannot be used: a word of the closed list of statuses, and a detail."""

    status: str
    message: str


class Header(NamedTuple):
    """What an image says of itself before it is decoded: format, and stored width and height in px."""

    format: str
    width: int
    height: int


class Picture(NamedTuple):
    """A decoded image: (H, W) or (H, W, 3) uint8, perhaps reduced, and its true width and height as shown in px."""

    pixels: NDArray[np.uint8]
    width: int
    height: int


def probe(data: bytes) -> Header | Fault:
    """Read format and size from the header alone; never decodes, so a bomb costs nothing."""
    if not data:
        return Fault("empty", "no bytes")
    if data.startswith(b"\xff\xd8"):
        try:
            height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
            return Header("JPEG", width, height)
        except (ValueError, KeyError):  # KeyError: simplejpeg, on a header with a colour space it has no name for
            pass  # Pillow judges what turbojpeg refuses
    return _probe_with_pillow(data)


def limits(header: Header, max_pixels: int, min_side: int = 0, max_aspect: float = float("inf")) -> Fault | None:
    """Hold a header against the caps: `max_pixels` in px, `min_side` in px, `max_aspect` as long side / short side."""
    short, long = sorted((header.width, header.height))
    if short * long > min(max_pixels, MAX_PIXELS):
        return Fault("too_many_pixels", f"{header.width} x {header.height}")
    if short < max(min_side, 1):
        return Fault("too_small", f"{header.width} x {header.height}")
    if long > max_aspect * short:
        return Fault("bad_aspect", f"{header.width} x {header.height}")
    return None


def decode(data: bytes, header: Header, min_side: int, colour: bool) -> Picture | Fault:
    """Decode once, reduced where the format can (JPEG), to no less than `min_side` px on either side.

    Gives grey (H, W) uint8 by ITU-R 601, or (H, W, 3) uint8 RGB when `colour`. The caller has checked `limits`.
    """
    if header.format == "JPEG":
        if _is_scan_bomb(data, header):
            return Fault("unreadable", f"JPEG of more than {_MAX_SCANS} scans")
        pixels = _decode_jpeg(data, header, min_side, colour)
        if pixels is not None:
            return _shown(pixels, header.width, header.height, _jpeg_orientation(data))
    return _decode_with_pillow(data, header, colour)


def _probe_with_pillow(data: bytes) -> Header | Fault:
    try:
        with _open(data) as image:
            name = "JPEG" if image.format == "MPO" else str(image.format)  # several JPEGs in one file
            return Header(name, image.width, image.height)
    except Image.DecompressionBombError as error:
        return Fault("too_many_pixels", str(error))
    except UnidentifiedImageError:
        head = data[:1024].lstrip().lower()
        is_svg = b"<svg" in head
        return Fault("svg", "") if is_svg else Fault("not_an_image", f"begins {data[:12]!r}")
    except Exception as error:  # a plugin fed hostile bytes may raise anything
        return Fault("unreadable", _said(error))


def _open(data: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # our own caps stand; a warning a bad image would flood the log
        return Image.open(io.BytesIO(data), formats=FORMATS)


def _decode_jpeg(data: bytes, header: Header, min_side: int, colour: bool) -> NDArray[np.uint8] | None:
    """Decode with turbojpeg, scaled in the DCT domain; None where it refuses (CMYK) or warns (broken data)."""
    space = "RGB" if colour else "GRAY"
    short = min(header.width, header.height)
    part = next((part for part in _FAST if -(-short // part) >= min_side), 1)  # turbojpeg rounds up, too
    height, width = -(-header.height // part), -(-header.width // part)
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            data, space, min_height=height, min_width=width, min_factor=1, strict=True
        )
    except (ValueError, KeyError):
        return None
    return pixels if colour else pixels[:, :, 0]


def _is_scan_bomb(data: bytes, header: Header) -> bool:
    costly = header.width * header.height * len(data) > _COSTLY  # to count costs 1/20 of a decode: not for small ones
    return costly and data.count(_SCAN) > _MAX_SCANS


def _jpeg_orientation(data: bytes) -> int:
    if data.find(b"Exif\0\0", 0, data.find(_SCAN)) < 0:  # most web images: skip the parse
        return 1
    try:
        with _open(data) as image:
            return _orientation(image)
    except Exception:  # turbojpeg has read the image; what Pillow thinks of its segments must not cost it
        return 1


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # a broken EXIF block must not cost the image
        return 1


def _decode_with_pillow(data: bytes, header: Header, colour: bool) -> Picture | Fault:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _open(data) as image:
                if image.size != (header.width, header.height):
                    return Fault("unreadable", f"{image.width} x {image.height} behind a header of another size")
                image.load()  # TIFF turns itself here, and then has no orientation left
                return _shown(_eight_bit(image, "RGB" if colour else "L"), *image.size, _orientation(image))
    except Exception as error:  # a plugin fed hostile bytes may raise anything
        said = _said(error)
        short = "truncated" in said.lower() or isinstance(error, EOFError)
        return Fault("truncated" if short else "unreadable", said)


def _eight_bit(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16") or image.mode == "I":
        wide = np.asarray(image).astype(np.int64)
        image = Image.fromarray((np.clip(wide, 0, 65535) >> 8).astype(np.uint8))
    elif image.mode == "F":
        raise ValueError("floating-point pixels have no stated range")
    elif "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert(mode))


def _shown(pixels: NDArray[np.uint8], width: int, height: int, orientation: int) -> Picture:
    """Turn the pixels as EXIF asks (tag 274, values 1 to 8; anything else counts as 1); size as stored, in px."""
    turn = _TURNS.get(orientation)
    if turn is None:
        return Picture(pixels, width, height)
    sides = (height, width) if orientation >= 5 else (width, height)
    return Picture(np.ascontiguousarray(turn(pixels)), *sides)


_TURNS: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
