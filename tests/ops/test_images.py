"""Images: one rule for each oddity, and hostile bytes end as statuses, cheaply."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from curate.contracts import statuses
from curate.demo.faults import flat_png
from curate.detector.pixels import resized
from curate.ops import images
from curate.ops.hashing import hamming, phash256
from curate.ops.images import Fault, Header, Picture
from curate.stages.signatures import grey
from tests.pictures import draw, encode, image, png


def seen(data: bytes, colour: bool = True, min_side: int = 4096) -> Picture | Fault:
    header = images.probe(data)
    if isinstance(header, Fault):
        return header
    return images.limits(header, 10**7) or images.decode(data, header, min_side, colour)


def shown(data: bytes, **more: Any) -> Picture:
    picture = seen(data, **more)
    assert isinstance(picture, Picture), picture
    return picture


def fault(data: bytes) -> str:
    found = seen(data)
    assert isinstance(found, Fault), found
    assert found.status in statuses()
    return found.status


def pixel(data: bytes) -> list[int]:
    """The upper left pixel as RGB."""
    pixels: list[int] = shown(data).pixels[0, 0].tolist()
    return pixels


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(image(1, 96, 64), form, exif=exif, **({"quality": 95} if form != "PNG" else {}))
    with Image.open(io.BytesIO(data)) as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    picture = shown(data)
    assert (picture.height, picture.width) == upright.shape[:2] == picture.pixels.shape[:2]
    assert (picture.width, picture.height) == ((64, 96) if orientation >= 5 else (96, 64))
    assert np.abs(picture.pixels.astype(int) - upright).mean() < 2


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x02\0" * 9])
def test_a_broken_exif_block_does_not_cost_the_image(form: str, exif: bytes) -> None:
    assert shown(encode(image(1), form, exif=exif)).width == 128


def test_orientation_no_one_knows_is_none() -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    assert np.array_equal(shown(encode(image(1), "PNG", exif=exif)).pixels, draw(1))


def test_alpha_is_laid_on_white() -> None:
    assert pixel(encode(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))) == [255, 255, 255]
    assert pixel(encode(Image.new("RGBA", (4, 4), (255, 0, 0, 255)))) == [255, 0, 0]
    assert pixel(encode(Image.new("LA", (4, 4), (0, 51)))) == [204, 204, 204]


def test_palettes_are_expanded_with_their_transparency() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([9, 9, 9, 0, 0, 255])
    assert pixel(encode(palette)) == [0, 0, 255]
    assert pixel(encode(palette, transparency=1)) == [255, 255, 255]
    assert pixel(encode(Image.new("RGB", (4, 4), (1, 2, 3)), transparency=(1, 2, 3))) == [255, 255, 255]
    assert pixel(encode(Image.new("1", (4, 4), 1))) == [255, 255, 255]


def test_cmyk() -> None:
    red, green, blue = pixel(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
    assert red > 240 > 15 > max(green, blue)


def test_sixteen_bits_keep_their_upper_eight() -> None:
    deep = Image.fromarray(np.full((4, 4), 0xABCD, np.uint16))
    assert pixel(encode(deep)) == pixel(encode(deep, "TIFF")) == [0xAB] * 3
    wide = cv2.imencode(".png", np.full((4, 4, 3), 0xABCD, np.uint16))[1].tobytes()
    assert pixel(wide) == [0xAB] * 3
    assert pixel(encode(Image.fromarray(np.full((4, 4), 70000, np.int32)), "TIFF")) == [255] * 3


def test_floating_point_pixels_have_no_stated_range() -> None:
    assert fault(encode(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF")) == "unreadable"


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_of_an_animation_the_first_frame_counts(form: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    options = {"lossless": True} if form == "WEBP" else {}
    red, green, blue = pixel(encode(frames[0], form, save_all=True, append_images=frames[1:], **options))
    assert red > 250 > 5 > max(green, blue)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 10_000), (10_000, 1), (65_500, 2)])
@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_thin_pictures(form: str, width: int, height: int) -> None:
    picture = shown(encode(image(1, width, height), form), colour=False, min_side=128)
    assert (picture.width, picture.height) == (width, height)
    assert resized(picture.pixels, 64, 64).shape == (64, 64)


def test_statuses_of_bytes_that_are_no_picture() -> None:
    assert fault(b"") == "empty"
    assert fault(b"<!DOCTYPE html><html><body>404</body></html>") == "not_an_image"
    assert fault(b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>") == "svg"
    assert fault(b"%PDF-1.4 ...") == fault(b"PK\3\4" * 9) == fault(b"\0" * 99) == "not_an_image"
    for form in ("ICO", "PPM", "EPS", "PDF", "TGA"):  # formats that Pillow knows and our list does not
        assert fault(encode(image(1), form)) == "not_an_image", form


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_truncated_at_many_places(form: str) -> None:
    data = encode(image(1), form)
    shown(data)
    ends = {fault(data[: len(data) * share // 8]) for share in range(1, 7)}
    assert ends <= {"truncated", "unreadable", "not_an_image"}
    if form in ("JPEG", "PNG", "BMP"):
        assert fault(data[: len(data) * 3 // 4]) == "truncated"


def test_limits() -> None:
    header = Header("PNG", 300, 100)
    assert images.limits(header, 30_000) is None
    assert images.limits(header, 29_999) == Fault("too_many_pixels", "300 x 100")
    assert images.limits(header, 30_000, min_side=100, max_aspect=3) is None
    assert images.limits(header, 30_000, min_side=101) == Fault("too_small", "300 x 100")
    assert images.limits(header, 30_000, max_aspect=2.99) == Fault("bad_aspect", "300 x 100")
    assert images.limits(Header("PNG", 30_000, 30_000), 10**12) == Fault("too_many_pixels", "30000 x 30000")
    assert images.limits(Header("JPEG", 0, 5), 10) == Fault("too_small", "0 x 5")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes, size: tuple[int, int] = (8, 8), data: bytes | None = None) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    body = zlib.compress(bytes(9 * 8)) if data is None else data
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


BOMB = zlib.compress(bytes(200 << 20), 9)
HUGE = {
    "flat png": flat_png(30_000, 30_000),
    "png header": png_with(size=(60_000, 60_000)),
    "too much data": png_with(data=BOMB),
    "zTXt": png_with(chunk(b"zTXt", b"k\0\0" + BOMB)),
    "iTXt": png_with(chunk(b"iTXt", b"k\0\1\0\0\0" + BOMB)),
    "iCCP": png_with(chunk(b"iCCP", b"k\0\0" + BOMB)),
    "gif canvas": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + b","
    + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x4c\1\0;",
    "gif frame": b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + b","
    + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\2\2\x4c\1\0;",
    "bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "jpeg": encode(image(1), "JPEG").replace(struct.pack(">HH", 128, 128), struct.pack(">HH", 65500, 65500), 1),
}  # fmt: skip
MEASURE = """
import resource, sys, time
import curate.stages.signatures as s
from tests.pictures import png, sample
s.Signer(s.SignaturesSettings(embedding="none")).look(sample("warm", png(1)))
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
row = s.Signer(s.SignaturesSettings(embedding="none")).look(sample("k", sys.stdin.buffer.read())).row
print(row["status"], (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, time.process_time() - began)
"""


@pytest.mark.parametrize("name", HUGE)
def test_bombs_cost_neither_memory_nor_time(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], input=HUGE[name], capture_output=True, check=True, timeout=60
    )
    status, megabytes, seconds = done.stdout.decode().split()
    assert status in ("too_many_pixels", "unreadable", "truncated") or name in ("too much data", "iCCP")
    assert status in statuses()
    assert int(megabytes) < 120
    assert float(seconds) < 2
    if name in ("flat png", "png header", "gif canvas", "gif frame", "bmp", "jpeg"):
        assert status == "too_many_pixels"


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = encode(image(1, 640, 480), "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    assert shown(data).width == 640
    scan = data[first : first + 2 + int.from_bytes(data[first + 2 : first + 4])] + b"\0"
    bomb = data[:first] + scan * 5000 + data[first:]
    assert len(bomb) < 100_000
    assert seen(bomb) == Fault("unreadable", "JPEG of more than 100 scans")


def test_a_jpeg_whose_header_lies_is_data() -> None:
    data = encode(image(1), "JPEG")
    size = struct.pack(">HH", 128, 128)
    for height, width in ((128, 4096), (4096, 128), (8, 8), (1, 65500), (0, 128), (128, 0)):
        found = seen(data.replace(size, struct.pack(">HH", height, width), 1), min_side=64)
        assert isinstance(found, Picture) or found.status in statuses()


@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM",
       b"II*\0", b"MM\0*", b"RIFF\x40\0\0\0WEBPVP8 ", b"\0\0\0\x1cftypavif"]))  # fmt: skip
def test_random_bytes_never_raise(data: bytes, magic: bytes) -> None:
    found = seen(magic + data)
    assert isinstance(found, Picture) or found.status in statuses()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_flipped_bytes_never_raise(form: str) -> None:
    whole, rng = encode(image(1, 96, 80), form), random.Random(form)
    for _ in range(120):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 3, 20))):
            data[rng.randrange(min(len(data), rng.choice((40, 400, 10**6))))] = rng.randrange(256)
        found = seen(bytes(data), colour=rng.random() < 0.5, min_side=64)
        assert isinstance(found, Picture) or found.status in statuses()


def test_reduced_and_full_decode_agree() -> None:
    """Between a reduced decode by turbojpeg and Pillow's full decode the 256-bit hashes differ by a few bits."""
    apart = []
    for seed in range(8):
        data = encode(image(seed, 640, 480), "JPEG", quality=88)
        reduced = shown(data, colour=False, min_side=128).pixels
        assert reduced.shape == (240, 320)
        full = shown(encode(Image.open(io.BytesIO(data))), colour=False).pixels
        assert full.shape == (480, 640)
        a, b = phash256(np.stack([resized(reduced, 64, 64), resized(full, 64, 64)]))
        apart.append(int(hamming(a[None], b[None])[0]))
    assert max(apart) <= 12
    assert np.mean(apart) <= 6


@pytest.mark.parametrize(("least", "shape"), [(1, (60, 80)), (61, (120, 160)), (121, (240, 320)), (241, (479, 640))])
def test_a_reduced_decode_is_a_half_a_quarter_or_an_eighth(least: int, shape: tuple[int, int]) -> None:
    """Rounded up, and never below what is asked for."""
    data = encode(image(1, 640, 479), "JPEG")
    for colour in (False, True):
        assert shown(data, colour=colour, min_side=least).pixels.shape[:2] == shape


def test_grey_of_colour_is_grey_of_grey() -> None:
    data = png(1)
    assert np.array_equal(grey(shown(data).pixels), grey(shown(data, colour=False).pixels)) or (
        np.abs(grey(shown(data).pixels).astype(int) - shown(data, colour=False).pixels).max() <= 1
    )
