"""The faults of the real web, one URL or a few each, and the word of `schemas/statuses.toml` each must end with."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from curate.demo.web import Addresses


class Fault(NamedTuple):
    """One planted fault: its name, the URL, and the status that it should get."""

    name: str
    url: str
    expected: str


def faults(at: Addresses) -> list[Fault]:
    """All faults that need no picture of their own."""
    site = at.site
    return [
        Fault("401 login", f"{site}/status/401/login.jpg", "http_401"),
        Fault("403", f"{site}/status/403/forbidden.jpg", "http_403"),
        Fault("404", f"{site}/lost/holiday.jpg", "http_404"),
        Fault("410", f"{site}/status/410/gone.jpg", "http_410"),
        Fault("451", f"{site}/status/451/blocked.jpg", "http_4xx"),
        Fault("500", f"{site}/status/500/broken.jpg", "http_5xx"),
        Fault("refused connection", f"{at.refused}/closed.jpg", "refused"),
        Fault("host that never answers", f"{at.silent}/silence.jpg", "timeout"),
        Fault("drip", f"{site}/drip/slow.jpg", "too_slow"),
        Fault("redirect loop", f"{site}/loop/a.jpg", "too_many_redirects"),
        Fault("redirect to a private address", f"{site}/to/private/a.jpg", "forbidden_address"),
        Fault("redirect to file:", f"{site}/to/file/a.jpg", "forbidden_scheme"),
        Fault("private address", "http://169.254.169.254/latest/meta-data/a.jpg", "forbidden_address"),
        Fault("file: URL", "file:///etc/passwd", "forbidden_scheme"),
        Fault("not a URL", "a picture of my cat", "bad_url"),
        Fault("host without address", "http://nowhere.invalid/a.jpg", "dns"),
        Fault("HTML as .jpg", f"{site}/odd/page.jpg", "not_an_image"),
        Fault("SVG", f"{site}/odd/drawing.svg", "svg"),
        Fault("empty body", f"{site}/odd/empty.jpg", "empty"),
        Fault("30000 x 30000 PNG", f"{site}/odd/huge.png", "too_many_pixels"),
        Fault("200 MB body, length told", f"{site}/big/told/a.jpg", "too_many_bytes"),
        Fault("200 MB body, length not told", f"{site}/big/untold/a.jpg", "too_many_bytes"),
        Fault("12 x 12 px", f"{site}/odd/icon.png", "too_small"),
        Fault("truncated JPEG", f"{site}/odd/truncated.jpg", "truncated"),
    ]


def bodies(photo: bytes) -> dict[str, bytes]:
    """The files that faults need, by path below `site`; `photo` is the JPEG to truncate."""
    html = b"<!DOCTYPE html><html><body><h1>This picture has moved</h1></body></html>\n"
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><image href="file:///etc/passwd"/></svg>\n'
    )
    return {
        "odd/page.jpg": html,
        "odd/drawing.svg": drawing,
        "odd/empty.jpg": b"",
        "odd/huge.png": flat_png(30_000, 30_000),
        "odd/icon.png": flat_png(12, 12),
        "odd/truncated.jpg": photo[: len(photo) * 2 // 5],
    }


def flat_png(width: int, height: int) -> bytes:
    """A black 1-bit PNG of any size, written by hand: 30000 x 30000 px take 110 kB, and 112 MB unpacked."""
    pack = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(pack.compress(row) for _ in range(height)) + pack.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
