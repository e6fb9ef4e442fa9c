"""Training data: clean shards as a stream of small pictures with captions, shuffled within a buffer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate import sources
from curate.errors import CurateError
from curate.ops import images
from curate.ops.images import Fault
from curate.pretrain.settings import PretrainSettings
from curate.sources import Shard
from curate.store import Store

_MARGIN = 1.25
"""Pictures are kept this much larger than the model's input, so that every epoch can cut another square from them."""


class Example(NamedTuple):
    """A picture, (S, S, 3) uint8, and its caption."""

    key: str
    pixels: NDArray[np.uint8]
    caption: str


class Batch(NamedTuple):
    """B samples: keys, pictures (B, S, S, 3) uint8, captions."""

    keys: list[str]
    pixels: NDArray[np.uint8]
    captions: list[str]


class CleanShards:
    """The clean shards of a run, read where they lie. `used` and `skipped` count what the first epoch met."""

    def __init__(self, store: Store, settings: PretrainSettings, max_pixels: int) -> None:
        self._data, self._settings, self._max_pixels = store.dataset("clean"), settings, max_pixels
        self.used, self.skipped = 0, Counter[str]()
        self._is_first = True

    def captioned(self) -> int:
        """How many samples have a caption, by the index alone."""
        columns = [self._data.read(part, ["caption"])["caption"] for part in self._data.parts()]
        return sum(pc.sum(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(c)), 0)).as_py() or 0 for c in columns)

    def batches(self, size: int) -> Iterator[Batch]:
        """Batches of `size` without end, epoch by epoch; an epoch's last samples that fill no batch are left out."""
        rng = np.random.default_rng(self._settings.seed)
        while True:
            epoch = shuffled(self._epoch(rng), self._settings.shuffle, rng)
            batch = list(islice(epoch, size))
            if len(batch) < size:
                raise CurateError(f"{self._data.store.path('clean')}: fewer than {size} samples can be trained on")
            while len(batch) == size:
                yield self._batch(batch, rng)
                batch = list(islice(epoch, size))

    def _batch(self, examples: list[Example], rng: np.random.Generator) -> Batch:
        pixels = [cut(e.pixels, self._settings.image_size, rng) for e in examples]
        return Batch([e.key for e in examples], np.stack(pixels), [e.caption for e in examples])

    def _epoch(self, rng: np.random.Generator) -> Iterator[Example]:
        """Every sample that can be trained on, once; the shards in another order each time."""
        parts = self._data.parts()
        for number in rng.permutation(len(parts)).tolist():
            yield from self._shard(parts[number])
        self._is_first = False

    def _shard(self, part: str) -> Iterator[Example]:
        index = self._data.read(part, ["key", "caption"])
        captions = dict(zip(index["key"].to_pylist(), index["caption"].to_pylist(), strict=True))
        tar = Shard(part, "tar", (self._data.store.url("clean", f"{part}.tar"),), digest="")
        side = round(self._settings.image_size * _MARGIN)
        for sample in sources.read(tar):
            caption = (captions.get(sample.key) or "").strip()
            pixels = square(sample.image or b"", side, self._max_pixels) if caption else None
            if pixels is not None:
                self._count("")
                yield Example(sample.key, pixels, caption)
            else:
                self._count("being unreadable" if caption else "want of a caption")

    def _count(self, why_not: str) -> None:
        if self._is_first:
            self.used += not why_not
            self.skipped.update([why_not] if why_not else [])


def shuffled(examples: Iterable[Example], size: int, rng: np.random.Generator) -> Iterator[Example]:
    """Shuffle a stream within a buffer of `size`: each sample that comes in sends out a random one."""
    buffer: list[Example] = []
    for example in examples:
        if len(buffer) < size:
            buffer.append(example)
            continue
        at = int(rng.integers(size))
        yield buffer[at]
        buffer[at] = example
    yield from (buffer[at] for at in rng.permutation(len(buffer)).tolist())


def square(data: bytes, side: int, max_pixels: int) -> NDArray[np.uint8] | None:
    """The centre square of an untrusted image: bytes -> (side, side, 3) uint8 RGB; None when it cannot be read."""
    header = images.probe(data)
    if isinstance(header, Fault) or images.limits(header, max_pixels):
        return None
    picture = images.decode(data, header, side, colour=True)
    if isinstance(picture, Fault):
        return None
    height, width = picture.pixels.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    middle = picture.pixels[top : top + short, left : left + short]
    return np.asarray(cv2.resize(middle, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def cut(pixels: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random square of at least `side` px, mirrored or not: (S, S, 3) uint8 -> (side, side, 3) uint8."""
    size = int(rng.integers(side, len(pixels) + 1))
    top, left = rng.integers(0, len(pixels) - size + 1, 2).tolist()
    chosen = cv2.resize(pixels[top : top + size, left : left + size], (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(chosen[:, ::-1] if rng.random() < 0.5 else chosen, np.uint8)
