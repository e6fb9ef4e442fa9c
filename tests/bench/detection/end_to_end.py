"""All photographs and 200 planted copies through a whole `curate run`: which copies it joins with their originals.

There are 745: those of the table, those that its copies are pasted on, and the strangers, of whom many look alike.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg

from curate.ops import edits, tars
from curate.store import Store
from tests.bench.detection.pictures import SEED, Picture, Pictures

AN_EDIT = 25

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


def main(pictures: Pictures) -> None:
    """Plant, run, and print what was found; the wrong pairs are named."""
    corpus, original, edit = plant((*pictures.benchmark, *pictures.grounds))
    with tempfile.TemporaryDirectory() as folder:
        planted = Planted(original, edit, _run(corpus, Path(folder)))
    found = planted.found()
    print(f"{sum(found.values())} of {len(original)} copies found among {len(corpus) - len(original):,} photographs")
    print(", ".join(f"{edit} {found[edit]}" for edit in EDITS) + f" of {AN_EDIT} each")
    print(f"{len(planted.wrong())} joined with another picture")
    for dropped, kept in planted.wrong():
        print(f"  {dropped} with {kept}")


def plant(photographs: Iterable[Picture]) -> tuple[dict[str, bytes], dict[str, str], dict[str, str]]:
    """Photographs and copies of the first in a random order, `AN_EDIT` by each edit: JPEG bytes by key.

    And of the copies, key -> key of the original, and key -> edit.
    """
    corpus = {picture.key.replace("/", "-"): picture.jpeg for picture in photographs}
    rng = np.random.default_rng(SEED)
    original: dict[str, str] = {}
    edit: dict[str, str] = {}
    for number, key in enumerate(rng.permutation(sorted(corpus))[: AN_EDIT * len(EDITS)].tolist()):
        name, copy = list(EDITS)[number // AN_EDIT], f"copy{number:03d}"
        original[copy], edit[copy] = key, name
        corpus[copy] = _made(EDITS[name], corpus[key], rng)
    return corpus, original, edit


def _made(edit: str, jpeg: bytes, rng: edits.Rng) -> bytes:
    """A copy of a picture by an edit, one of `EDITS`' values, as JPEG bytes. None of them needs another picture."""
    picture = simplejpeg.decode_jpeg(jpeg, "RGB")
    if edit in edits.EDITS:
        return edits.copy(edit, picture, picture, rng)
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
