"""The pictures of the table: originals, copies of them made by every edit, strangers, and lookalikes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import simplejpeg

from curate.ops import edits, tars

ORIGINALS = ("clothing-00001.tar", "clothing-00002.tar")
GROUNDS = ("clothing-00000.tar",)
"""Other photographs of the same kind, for copies to be pasted on."""
STRANGERS = ("caltech-faces.tar",)
CROPPED = ("caltech-faces_easy.tar",)
"""The strangers once more, each cropped: the same key is the same photograph."""
SEED = 20261121


class Picture(NamedTuple):
    """A photograph as it lies in its tar."""

    key: str
    jpeg: bytes


class Trial(NamedTuple):
    """Pictures to look for in a benchmark: the one in row i shows the benchmark's picture in row i, and no other."""

    name: str
    jpegs: list[bytes]


class Pictures(NamedTuple):
    """All that the table is made from."""

    originals: list[Picture]
    grounds: list[Picture]
    strangers: list[Picture]
    cropped: list[Picture]

    @property
    def benchmark(self) -> list[Picture]:
        """What copies are sought in: the originals, and strangers that no copy shows."""
        return self.originals + self.strangers


def load(folder: Path) -> Pictures:
    """Read the tars of `folder`; FileNotFoundError names the one that is missing."""
    read = [[p for name in names for p in _read(folder / name)] for names in (ORIGINALS, GROUNDS, STRANGERS, CROPPED)]
    found = Pictures(*read)
    strangers, cropped = ([Path(p.key).name for p in pictures] for pictures in (found.strangers, found.cropped))
    if strangers != cropped:
        raise ValueError(f"want the same keys in {STRANGERS[0]} as in {CROPPED[0]}, in the same order")
    return found


def _read(path: Path) -> Iterator[Picture]:
    with path.open("rb") as file:
        for member in tars.walk(file, 100 * 2**20):
            if isinstance(member, tars.Member) and member.data and member.name.endswith(".jpg"):
                yield Picture(f"{path.stem}/{member.name.removesuffix('.jpg')}", member.data)


def copies(edit: str, originals: Sequence[Picture], grounds: Sequence[Picture], seed: int = SEED) -> Trial:
    """One copy of each original by one of `edits.EDITS`, the same bytes each time."""
    number = list(edits.EDITS).index(edit)
    made = []
    for row, original in enumerate(originals):
        rng = np.random.default_rng([seed, number, row])
        ground = grounds[int(rng.integers(len(grounds)))]
        made.append(edits.copy(edit, _pixels(original), _pixels(ground), rng))
    return Trial(edit, made)


def _pixels(picture: Picture) -> edits.Pixels:
    return simplejpeg.decode_jpeg(picture.jpeg, "RGB")  # type: ignore[no-any-return]
