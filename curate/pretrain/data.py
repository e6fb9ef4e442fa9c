"""Training data: samples of the clean shards, read by the byte ranges of their index, batch by batch, ahead of need.

The order of the samples is drawn on row numbers, before anything is read: the shards in random order, shuffled within
a buffer. So every worker knows its own share without reading another's, and step N is the same after a restart.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from functools import lru_cache
from itertools import count, islice
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.errors import CurateError
from curate.ops import images
from curate.ops.images import Fault
from curate.pretrain.augment import cut, rand_augment
from curate.pretrain.index import ALONE, Index, World
from curate.pretrain.settings import PretrainSettings
from curate.sources import Sample, webdataset

_MARGIN = 1.25
"""Pictures are read this much larger than the model's input, so that every epoch can cut another square from them."""


class Batch(NamedTuple):
    """B samples: keys, their shards, pictures (B, S, S, 3) uint8, captions, and targets (B, C) float32 if any."""

    step: int
    keys: list[str]
    shards: list[str]
    pixels: NDArray[np.uint8]
    captions: list[str]
    targets: NDArray[np.float32] | None


class Waited(NamedTuple):
    """A batch, and how long it was waited for, s."""

    batch: Batch
    seconds: float


class Batches:
    """Batches of one worker, without end. `unreadable` collects the rows whose pictures could not be read."""

    def __init__(self, index: Index, settings: PretrainSettings, max_pixels: int, world: World = ALONE) -> None:
        self._index, self.settings, self._max_pixels, self._world = index, settings, max_pixels, world
        self.size = min(settings.batch, len(index.train) - len(index.train) % world.size)
        self.unreadable: set[int] = set()
        self._held: dict[int, tuple[NDArray[np.uint8] | None, str]] = {}
        self._captions = lru_cache(maxsize=64)(self._read_captions)

    def since(self, start: int) -> Generator[Waited, None, None]:
        """The batches from step `start` on; CurateError naming the batch that takes longer than `stall` to read."""
        ahead: deque[tuple[int, NDArray[np.int64], Future[Batch]]] = deque()
        todo = islice(self._shares(), start, None)
        with ThreadPoolExecutor(self.settings.readers, "pretrain-reader") as pool:
            try:
                while True:
                    for step, rows in islice(todo, 2 * self.settings.readers - len(ahead)):
                        ahead.append((step, rows, pool.submit(self._read, step, rows)))
                    step, rows, read = ahead.popleft()
                    yield self._wait(step, rows, read)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def rows(self, steps: int) -> list[list[int]]:
        """Which rows of the index this worker takes in the first `steps` steps."""
        return [rows.tolist() for _, rows in islice(self._shares(), steps)]

    def _shares(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        order = self._order()
        for step in count():
            batch = np.fromiter(islice(order, self.size), np.int64, self.size)
            yield step, batch[self._world.rank :: self._world.size]

    def _order(self) -> Iterator[int]:
        """Row numbers, each once an epoch, epoch after epoch."""
        for epoch in count():
            rng = np.random.default_rng([self.settings.seed, epoch])
            by_shard = self._index.by_shard()
            rows = (row for number in rng.permutation(len(by_shard)) for row in by_shard[number].tolist())
            yield from shuffled(rows, self.settings.shuffle, rng)

    def _wait(self, step: int, rows: NDArray[np.int64], read: Future[Batch]) -> Waited:
        began = time.monotonic()
        try:
            return Waited(read.result(self.settings.stall), time.monotonic() - began)
        except TimeoutError:
            shards = ", ".join(sorted({self._index.shard(row) for row in rows.tolist()}))
            raise CurateError(
                f"pretrain: step {step + 1} waits for its batch since {self.settings.stall:g} s; it reads shard(s) "
                f"{shards} of {self._index.folder}. Run again to go on, or raise `pretrain.stall`."
            ) from None

    def _read(self, step: int, rows: NDArray[np.int64]) -> Batch:
        """Read and decode one batch. What cannot be read is counted, and replaced by its neighbour in the batch."""
        settings, chosen = self.settings, rows.tolist()
        squares, keys = self._margined(chosen)
        readable = [at for at, pixels in enumerate(squares) if pixels is not None]
        self.unreadable.update(row for row, pixels in zip(chosen, squares, strict=True) if pixels is None)
        if not readable:
            raise CurateError(f"pretrain: no picture of step {step + 1} can be read; its first is `{keys[0]}`")
        use = [at if squares[at] is not None else readable[at % len(readable)] for at in range(len(chosen))]
        pixels = np.empty((len(use), settings.image_size, settings.image_size, 3), np.uint8)
        for place, at in enumerate(use):
            rng = np.random.default_rng([settings.seed, step, place * self._world.size + self._world.rank])
            pixels[place] = rand_augment(cut(_there(squares[at]), settings.image_size, rng), settings.randaugment, rng)
        taken = [chosen[at] for at in use]
        captions = [self.caption(row) for row in taken] if settings.captions else []
        targets = None if settings.captions else self._index.targets(taken)
        shards = [self._index.shard(row) for row in taken]
        return Batch(step, [keys[at] for at in use], shards, pixels, captions, targets)

    def _margined(self, rows: list[int]) -> tuple[list[NDArray[np.uint8] | None], list[str]]:
        """Squares to cut training pictures from, and their keys; from memory where they are still held there."""
        missing = [row for row in dict.fromkeys(rows) if row not in self._held]
        side = round(self.settings.image_size * _MARGIN)
        fresh = {
            row: (square(sample.image or b"", side, self._max_pixels), sample.key)
            for row, sample in zip(missing, self._samples(missing), strict=True)
        }
        if (len(self._held) + len(fresh)) * side * side * 3 <= self.settings.hold * 2**20:
            self._held.update(fresh)
        found = [fresh[row] if row in fresh else self._held[row] for row in rows]
        return [pixels for pixels, _ in found], [key for _, key in found]

    def still(self, rows: list[int]) -> Batch:
        """Rows as one batch without random edits; one that cannot be read is grey."""
        side = self.settings.image_size
        grey = np.full((side, side, 3), 128, np.uint8)
        pixels = [grey if found is None else found for found in self.squares(rows, side)]
        captions = [self.caption(row) for row in rows] if self.settings.captions else []
        targets = None if self.settings.captions else self._index.targets(rows)
        names = [str(row) for row in rows]
        return Batch(0, names, [self._index.shard(row) for row in rows], np.stack(pixels), captions, targets)

    def squares(self, rows: list[int], side: int) -> list[NDArray[np.uint8] | None]:
        """The pictures of rows as they are looked at when nothing is trained: centre squares of `side` px."""
        return [square(sample.image or b"", side, self._max_pixels) for sample in self._samples(rows)]

    def caption(self, row: int) -> str:
        """The caption of a row, without blanks around it."""
        at = self._index.at(row)
        return (self._captions(at.shard)[at.row].as_py() or "").strip()

    def _samples(self, rows: list[int]) -> list[Sample]:
        """Read byte ranges, side by side where the store can."""
        places = [self._index.at(row) for row in rows]
        tars = [self._index.data.path(place.shard, "tar") for place in places]
        starts, ends = [p.offset for p in places], [p.offset + p.length for p in places]
        read = self._index.data.store.fs.cat_ranges(tars, starts, ends, on_error="raise")
        return [webdataset.parse(data) or Sample("(broken)") for data in read]

    def _read_captions(self, shard: str) -> pa.ChunkedArray:
        return self._index.data.read(shard, ["caption"])["caption"]

    def skipped(self) -> dict[str, int]:
        """Why samples were left out, and how many."""
        found = Counter(self._index.skipped)
        found.update({"being unreadable": len(self.unreadable)} if self.unreadable else {})
        return dict(found)


def _there(pixels: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    assert pixels is not None
    return pixels


def shuffled(rows: Iterator[int], size: int, rng: np.random.Generator) -> Iterator[int]:
    """Shuffle a stream within a buffer of `size`: each one that comes in sends out a random one."""
    buffer: list[int] = []
    for row in rows:
        if len(buffer) < size:
            buffer.append(row)
            continue
        at = int(rng.integers(size))
        yield buffer[at]
        buffer[at] = row
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
