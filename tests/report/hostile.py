"""A finished run with many matches, whose captions, keys, classes and URLs are those of someone who means ill."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from curate.ops import tars
from curate.report import write_report
from tests.runs import encoded, made, picture, settings

CAPTION = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script></bdi></style>"
KEY = "<b>'\"&k"
URLS = (
    "javascript:document.title='owned'",
    'https://example.org/"onmouseover="alert(1)?a=1&b=<2>',
    "https://example.org/plain.jpg",
    "\x1b[31mno url \u202egpj.exe",
)
CLASS = "<i onclick=alert(1)>"
MATCHES = 30


def page(folder: Path, **tables: object) -> Path:
    """Make the run `folder/run`: 30 matches (10 byte-equal, 10 mirrored, 10 shrunk), one duplicate; its page."""
    (folder / "corpus").mkdir()
    with (folder / "corpus" / "00000.tar").open("wb") as file:
        for number in range(MATCHES):
            _write(file, f"{KEY}{number}", _copy(folder, number), number)
        for key in ("twin1", "twin2"):
            _write(file, key, encoded(picture(999)), 2)
        file.write(tars.END)
    made(folder, folder / "run", **tables)
    return Path(write_report(settings(folder, folder / "run", **tables), made(folder, folder / "run", **tables)))


def _copy(folder: Path, number: int) -> bytes:
    image = picture(number)
    original = folder / "benchmark" / CLASS / f"{number}.jpg"
    original.parent.mkdir(parents=True, exist_ok=True)
    original.write_bytes(encoded(image, quality=95))
    if number % 3 == 0:
        return original.read_bytes()
    return encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if number % 3 == 1 else image.resize((80, 60)))


def _write(file: tars.Sink, key: str, image: bytes, number: int) -> None:
    tars.write(file, f"{key}.jpg", image)
    tars.write(file, f"{key}.txt", f"{CAPTION}{number} \x1b[2J\u202e{'long ' * 99}".encode())
    tars.write(file, f"{key}.json", json.dumps({"url": URLS[number % 4]}).encode())
