"""2,000 photographs and 200 planted copies through a whole `curate run`: which copies it joins with their originals.

The photographs are those of the tars that hold no original of the table, and tiles of large ones that share no pixel.
Where the large ones are those that the detector was trained on, say so beside the figure.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from curate.ops import edits, tars
from curate.store import Store
from tests.bench.detection.pictures import SEED, Pictures

COUNT, AN_EDIT = 2000, 25
TILE = (400, 300)
_LONG_SIDE, _LEAST = 3200, 1200
"""Large photographs are shrunk to this before they are cut, px; smaller ones than the second are left out."""
_LEAST_BYTES = TILE[0] * TILE[1] // 15
"""A tile must weigh that much as JPEG: two tiles of clear sky would be one picture to anybody."""
_RECOLOURED = 0.9
"""Large photographs whose grey thumbnails correlate more than that, either way, are one in several colours."""

EDITS = {
    "jpeg": "JPEG q10",
    "resize": "resize 50 %",
    "crop10": "crop to 90 %",
    "mirror": "mirror",
    "rot90": "quarter turn",
    "colour": "brightness + contrast 1.4",
    "text": "text overlay",
    "rot5": "rotate 5 degrees",
}
"""The names used where such figures were published, and ours. The last is turned with black corners, not cropped."""


class Planted(NamedTuple):
    """What was planted and what a run made of it, by keys."""

    original: Mapping[str, str]
    """Copy -> its original."""
    edit: Mapping[str, str]
    joined: Sequence[tuple[str, str]]
    """Sample dropped, sample kept for it."""

    def root(self, key: str) -> str:
        """The original of a copy; else the key itself."""
        return self.original.get(key, key)

    def found(self) -> dict[str, int]:
        """Copies joined with their original, by edit."""
        counts = dict.fromkeys(EDITS, 0)
        for pair in self.joined:
            copy = next((key for key in pair if key in self.original), None)
            if copy and self.root(pair[0]) == self.root(pair[1]):
                counts[self.edit[copy]] += 1
        return counts

    def wrong(self) -> list[tuple[str, str]]:
        """Samples joined with one that shows something else."""
        return [pair for pair in self.joined if self.root(pair[0]) != self.root(pair[1])]


def main(pictures: Pictures, folders: Sequence[Path], count: int = COUNT) -> None:
    """Plant, run, and print what was found; the wrong pairs are named."""
    with tempfile.TemporaryDirectory() as folder:
        planted = measure(pictures, folders, Path(folder), count)
    found = planted.found()
    print(f"{sum(found.values())} of {len(planted.original)} copies found among {count:,} photographs")
    print(", ".join(f"{edit} {found[edit]}" for edit in EDITS) + f" of {AN_EDIT} each")
    print(f"{len(planted.wrong())} joined with another picture")
    for dropped, kept in planted.wrong():
        print(f"  {dropped} with {kept}")


def measure(pictures: Pictures, folders: Sequence[Path], work: Path, count: int = COUNT) -> Planted:
    """Plant copies in a corpus under `work` and run the whole pipeline on it."""
    photographs = _photographs(pictures, folders, count)
    rng = np.random.default_rng(SEED)
    keys = [str(key) for key in rng.permutation(sorted(photographs))]
    original, edit = {}, {}
    corpus = dict(photographs)
    for number, key in enumerate(keys[: AN_EDIT * len(EDITS)]):
        name = list(EDITS)[number // AN_EDIT]
        copy = f"copy{number:03d}"
        corpus[copy] = made(EDITS[name], photographs[key], photographs[keys[-1]], rng)
        original[copy], edit[copy] = key, name
    return Planted(original, edit, _run(corpus, work))


def _photographs(pictures: Pictures, folders: Sequence[Path], count: int) -> dict[str, bytes]:
    """`count` photographs by key."""
    have = {p.key.replace("/", "-"): p.jpeg for p in (*pictures.strangers, *pictures.grounds)}
    tiles = dict(_tiles(folders))
    order = np.random.default_rng(SEED).permutation(sorted(tiles))
    have |= {str(key): tiles[str(key)] for key in order[: count - len(have)]}
    if len(have) < count:
        raise ValueError(f"{len(have)} photographs, want {count}: name more folders with --photographs")
    return dict(list(have.items())[:count])


def _tiles(folders: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Tiles of all large photographs with enough to be seen on them, none overlapping."""
    seen: list[NDArray[np.float32]] = []
    for number, path in enumerate(_large(folders)):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        picture.thumbnail((_LONG_SIDE, _LONG_SIDE))
        grey = np.asarray(picture.convert("L").resize((32, 32)), np.float32).ravel()
        grey = (grey - grey.mean()) / (np.linalg.norm(grey - grey.mean()) + 1e-6)
        if any(abs(float(grey @ other)) > _RECOLOURED for other in seen):
            continue
        seen.append(grey)
        across, down = picture.width // TILE[0], picture.height // TILE[1]
        for at in range(across * down):
            left, top = at % across * TILE[0], at // across * TILE[1]
            tile = picture.crop((left, top, left + TILE[0], top + TILE[1]))
            out = io.BytesIO()
            tile.save(out, "JPEG", quality=90)
            if out.tell() >= _LEAST_BYTES:
                yield f"tile{number:03d}-{at:02d}", out.getvalue()


def _large(folders: Sequence[Path]) -> list[Path]:
    """One file of each large photograph: many a wallpaper comes in several sizes, cuts and lights.

    WebP is left out: where wallpapers come so, they are patterns that repeat themselves.
    """
    best: dict[str, tuple[int, Path]] = {}
    files = (path for folder in folders for path in folder.rglob("*") if path.suffix in (".jpg", ".png"))
    for path in sorted(files):
        with Image.open(path) as opened:
            pixels, long = opened.width * opened.height, max(opened.size)
        package, inside, _ = str(path).partition("/contents/")
        name = package if inside else re.sub(r"(_\d+x\d+)?\.\w+$", "", str(path))
        if long >= _LEAST and pixels > best.get(name, (0, path))[0]:
            best[name] = (pixels, path)
    return [path for _, path in best.values()]


def made(edit: str, jpeg: bytes, ground: bytes, rng: edits.Rng) -> bytes:
    """A copy of a picture by an edit, one of `EDITS`' values, as JPEG bytes."""
    picture, other = (simplejpeg.decode_jpeg(data, "RGB") for data in (jpeg, ground))
    if edit in edits.EDITS:
        return edits.copy(edit, picture, other, rng)
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 5, 1)
    turned = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC)
    return simplejpeg.encode_jpeg(np.ascontiguousarray(turned), quality=90, colorsubsampling="420")  # type: ignore[no-any-return]


def _run(corpus: Mapping[str, bytes], work: Path) -> list[tuple[str, str]]:
    """Run on the corpus as one tar, in the order of its keys: pairs (dropped, kept)."""
    with (work / "00000.tar").open("wb") as file:
        for key, jpeg in sorted(corpus.items()):
            tars.write(file, f"{key}.jpg", jpeg)
        file.write(tars.END)
    run_file = work / "run.toml"
    run_file.write_text(f'out = "{work}/run"\n[corpus]\npath = "{work}/00000.tar"\n')
    subprocess.run([sys.executable, "-m", "curate", "run", str(run_file)], check=True, stdout=subprocess.DEVNULL)
    rows = Store(f"{work}/run").dataset("duplicates").read_all(["key", "keeper_key"]).to_pydict()
    return list(zip(rows["key"], rows["keeper_key"], strict=True))
