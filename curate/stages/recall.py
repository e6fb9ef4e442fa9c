"""Recall: of edited copies of the benchmarks' own images, how many this run's own code and settings find."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from heapq import nsmallest
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curate.config import Settings
from curate.contracts import contract
from curate.errors import SourceError
from curate.ops import images
from curate.ops.edits import EDITS, Pixels, copy
from curate.ops.images import Fault
from curate.ops.intervals import clopper_pearson
from curate.sources import Sample
from curate.stages import contamination
from curate.stages.contamination import ContaminationSettings
from curate.stages.signatures import SignaturesSettings, Signer

VERSION = 1
_LONGEST = 640
"""Originals are shrunk to this long side before they are edited, px: nothing that is looked at is finer."""
_LEAST_SIDE, _MOST_ASPECT = 16, 8
"""Smaller and narrower pictures are not edited: after a crop or a turn nothing of them could be told."""
_BATCH = 256
"""Copies held at once."""

Wanted = Mapping[str, Sequence[str]]
"""Key of an image -> the edits of which a copy is to be made."""


class RecallSettings(Settings):
    """How many copies are made to measure what is found."""

    copies: int = Field(5, ge=0, description="copies of each of the 24 edits, a benchmark; 0: recall is not measured")
    seed: int = Field(0, ge=0, description="which images are edited, and how")


class Copy(NamedTuple):
    """An edited copy: of which image, how, on which other image as its ground (`` for none), and its bytes."""

    key: str
    edit: str
    ground: str
    jpeg: bytes


@dataclass(frozen=True)
class _Count:
    tried: int = 0
    found: int = 0
    wrong: int = 0

    def __add__(self, other: _Count) -> _Count:
        return _Count(self.tried + other.tried, self.found + other.found, self.wrong + other.wrong)

    def shares(self) -> tuple[float, float, float]:
        """Recall, and its exact 95 % interval."""
        return self.found / self.tried, *clopper_pearson(self.found, self.tried)


def choose(views: pa.Table, settings: RecallSettings) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Choose images by digest, each edit its own: (benchmark, shard) -> key -> the edits it is tried with.

    Takes `benchmark`, `shard`, `key`, `status` and `sha256` of contract `views`. Of equal images the first counts.
    """
    seen = views.filter(pc.equal(views["status"], "ok")).select(["benchmark", "shard", "key", "sha256"])
    named: dict[str, dict[bytes, tuple[str, str]]] = {}
    for row in seen.group_by(seen.column_names, use_threads=False).aggregate([]).to_pylist():
        named.setdefault(row["benchmark"], {}).setdefault(row["sha256"], (row["shard"], row["key"]))
    wanted: dict[tuple[str, str], dict[str, list[str]]] = {}
    for benchmark, digests in named.items():
        for edit in EDITS:
            for digest in nsmallest(settings.copies, digests, key=lambda d: _draw(settings.seed, edit, d)):
                shard, key = digests[digest]
                wanted.setdefault((benchmark, shard), {}).setdefault(key, []).append(edit)
    return wanted


def edited(samples: Iterable[Sample], wanted: Wanted, seed: int, max_pixels: int) -> Iterator[Copy]:
    """Make the copies wanted of a shard's images, in their order; SourceError where one of them is gone.

    The ground is the picture before it among those edited, so that one is held at a time.
    """
    for (key, digest, picture), (ground, _, other) in _with_grounds(_pictures(samples, wanted, max_pixels)):
        if min(picture.shape[:2]) < _LEAST_SIDE or max(picture.shape[:2]) > _MOST_ASPECT * min(picture.shape[:2]):
            continue
        for edit in wanted.get(key, ()):
            rng = np.random.default_rng(int.from_bytes(_draw(seed, edit, digest)))
            yield Copy(key, edit, ground, copy(edit, picture, other, rng))


def as_samples(copies: Sequence[Copy]) -> list[Sample]:
    """The copies as a shard holds them, their numbers as keys."""
    return [Sample(str(number), (("jpg", made.jpeg),)) for number, made in enumerate(copies)]


class Measurer:
    """Measures recall; made once a worker: `measure(benchmark, shard, samples, wanted)` -> contract `recall`."""

    def __init__(
        self, signing: SignaturesSettings, matching: ContaminationSettings, settings: RecallSettings, views: pa.Table
    ) -> None:
        self._signer = Signer(signing)
        self._max_pixels, self._seed = signing.max_pixels, settings.seed
        self._matching, self._views = matching, views
        self._opened: tuple[str, Callable[[pa.Table], pa.Table]] = "", lambda signatures: signatures
        self.facts = self._signer.facts

    def __call__(self, benchmark: str, shard: str, samples: Iterable[Sample], wanted: Wanted) -> pa.Table:
        """Copy, sign, match and count, a batch of copies at a time."""
        match = self._against(benchmark)
        counts = {edit: _Count() for edit in EDITS}
        made = edited(samples, wanted, self._seed, self._max_pixels)
        while batch := list(islice(made, _BATCH)):
            named: list[set[tuple[str, str]]] = [set() for _ in batch]
            found = match(self._signer("copies", as_samples(batch)).select(contamination.CORPUS_COLUMNS))
            for row in found.to_pylist():
                named[int(row["key"])].add((row["benchmark_shard"], row["benchmark_key"]))
            for one, its in zip(batch, named, strict=True):
                right = (shard, one.key)
                counts[one.edit] += _Count(1, int(right in its), len(its - {right, (shard, one.ground)}))
        return _table(benchmark, shard, counts)

    def _against(self, benchmark: str) -> Callable[[pa.Table], pa.Table]:
        """The search against one benchmark, of which nothing depends on the others; the last is kept open."""
        if self._opened[0] != benchmark:
            mine = self._views.filter(pc.equal(self._views["benchmark"], benchmark))
            self._opened = benchmark, contamination.make(self._matching, mine)
        return self._opened[1]


make = Measurer


def _table(benchmark: str, shard: str, counts: Mapping[str, _Count]) -> pa.Table:
    tried = {edit: count for edit, count in counts.items() if count.tried}
    tried |= {"all": sum(tried.values(), _Count())} if tried else {}
    rows = [
        {
            **{"benchmark": benchmark, "shard": shard, "edit": edit, **asdict(count)},
            **dict(zip(("recall", "low", "high"), count.shares(), strict=True)),
        }
        for edit, count in tried.items()
    ]
    return pa.Table.from_pylist(rows, schema=contract("recall").schema)


def _draw(seed: int, edit: str, digest: bytes) -> bytes:
    """A number drawn for an image and an edit: 32 bytes, the same everywhere."""
    return hashlib.sha256(f"{seed}/{edit}/".encode() + digest).digest()


_Picture = tuple[str, bytes, Pixels]
"""Key, digest of the bytes, and pixels (H, W, 3) uint8."""
_NO_GROUND: _Picture = ("", b"", np.full((64, 64, 3), 128, np.uint8))


def _pictures(samples: Iterable[Sample], wanted: Wanted, max_pixels: int) -> Iterator[_Picture]:
    """The pictures of the wanted keys; where there is one only, another of the shard too, for its ground."""
    left, spare = set(wanted), len(wanted) == 1
    for sample in samples:
        if sample.key not in left and not spare:
            continue
        pixels = _pixels(sample, max_pixels)
        if pixels is not None:
            spare = spare and sample.key in left
            left.discard(sample.key)
            yield sample.key, hashlib.sha256(sample.image or b"").digest(), pixels
        if not left and not spare:
            return
    if left:
        raise SourceError(f"`{min(left)}` of a benchmark is gone or changed since it was signed; sign it again")


def _with_grounds(pictures: Iterable[_Picture]) -> Iterator[tuple[_Picture, _Picture]]:
    """Each with the one before it; the first with the second."""
    pictures = iter(pictures)
    first = next(pictures, None)
    if first is None:
        return
    before = next(pictures, _NO_GROUND)
    yield first, before
    if before is not _NO_GROUND:
        yield before, first
    for picture in pictures:
        yield picture, before
        before = picture


def _pixels(sample: Sample, max_pixels: int) -> Pixels | None:
    """The picture in colour, its long side at most 640 px; None where it cannot be read."""
    data = sample.image or b""
    header = sample.fault or images.probe(data)
    if isinstance(header, Fault) or images.limits(header, max_pixels):
        return None
    seen = images.decode(data, header, _LONGEST // 2, colour=True)
    if isinstance(seen, Fault):
        return None
    scale = _LONGEST / max(seen.pixels.shape[:2])
    if scale >= 1:
        return seen.pixels
    height, width = (max(1, round(side * scale)) for side in seen.pixels.shape[:2])
    return cv2.resize(seen.pixels, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
