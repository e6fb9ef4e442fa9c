"""Signatures: everything that later stages need to know of a sample, from one read and one decode."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, field_validator

from curate.config import Settings
from curate.contracts import contract
from curate.ops import images
from curate.ops.embedding import LIBRARIES, Embedder
from curate.ops.hashing import phash64, phash256
from curate.ops.images import Fault, Header, Picture
from curate.ops.quality import quality
from curate.ops.views import regions, thumbnail
from curate.sources import Sample

VERSION = 1
_DECODE_SIDE = 128
"""JPEGs are decoded reduced, to no less than this many px a side: twice what the hashes look at."""


class SignaturesSettings(Settings):
    """How samples are signed. The benchmarks are signed with the same settings."""

    how_not_what: ClassVar[frozenset[str]] = frozenset({"batch_size", "device", "num_cpus", "num_gpus"})

    embedding: str = Field("none", description="none, open_clip:MODEL/WEIGHTS or timm:MODEL/WEIGHTS")
    max_bytes: int = Field(100 * 2**20, ge=1, description="largest image member that is read, B")
    max_pixels: int = Field(100_000_000, ge=1, le=images.MAX_PIXELS, description="largest image that is decoded, px")
    min_contrast: float = Field(4.0, ge=0, description="views below this are blank: no hash, grey levels")
    batch_size: int = Field(256, ge=1, description="images hashed and embedded at once")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N, for the embedding")
    num_cpus: float = Field(1, ge=0, description="cores that a worker occupies on Ray")
    num_gpus: float = Field(0, ge=0, description="GPUs that a worker occupies on Ray")

    @field_validator("embedding")
    @classmethod
    def _known(cls, spec: str) -> str:
        library, _, model = spec.partition(":")
        if spec != "none" and (library not in LIBRARIES or not model):
            raise ValueError(f"want none, {' or '.join(f'{name}:MODEL/WEIGHTS' for name in LIBRARIES)}")
        return spec


class Signed(NamedTuple):
    """A sample, and its decoded picture or why there is none."""

    sample: Sample
    data: bytes
    header: Header | None
    seen: Picture | Fault


class Signer:
    """Signs samples; made once a worker, since it may hold a model."""

    def __init__(self, settings: SignaturesSettings) -> None:
        self._settings = settings
        self._embed = Embedder(settings.embedding, settings.device) if settings.embedding != "none" else None
        self.facts: dict[str, Any] = self._embed.facts if self._embed else {}

    def __call__(self, shard: str, samples: Iterable[Sample]) -> pa.Table:
        """Sign a shard: its samples, in order -> a table of contract `signatures`, one row each."""
        stream = iter(samples)
        tables = [contract("signatures").empty()]
        while batch := list(islice(stream, self._settings.batch_size)):
            tables.append(self._sign(shard, [self.look(sample) for sample in batch]))
        return pa.concat_tables(tables).combine_chunks()

    def look(self, sample: Sample) -> Signed:
        """Decode a sample's image within the caps."""
        data = sample.image or b""
        if sample.fault:
            return Signed(sample, data, None, sample.fault)
        header = images.probe(data)
        if isinstance(header, Fault):
            return Signed(sample, data, None, header)
        fault = images.limits(header, self._settings.max_pixels)
        side = self._embed.size if self._embed else _DECODE_SIDE
        seen = fault or images.decode(data, header, side, colour=self._embed is not None)
        return Signed(sample, data, header, seen)

    def _sign(self, shard: str, batch: list[Signed]) -> pa.Table:
        rows = _facts(shard, batch)
        good = [i for i, signed in enumerate(batch) if isinstance(signed.seen, Picture)]
        pictures = [batch[i].seen.pixels for i in good]  # type: ignore[union-attr]
        views = np.array([regions(grey(p)) for p in pictures], np.uint8).reshape(-1, 2, 64, 64)
        found = _view_columns(views, self._settings.min_contrast)
        found["embedding"] = list(self._embed(pictures)) if self._embed and pictures else [None] * len(good)
        for name, values in found.items():
            column: list[Any] = [None] * len(batch)
            for i, value in zip(good, values, strict=True):
                column[i] = value
            rows[name] = column
        return contract("signatures").table(rows)


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grey of a decoded picture: (H, W) or (H, W, 3) uint8 -> (H, W) uint8, ITU-R 601 as JPEG's own."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels  # type: ignore[return-value]


def _facts(shard: str, batch: list[Signed]) -> dict[str, Any]:
    """The columns that need no pixels."""
    faults = [s.seen if isinstance(s.seen, Fault) else None for s in batch]
    sizes = [
        (s.seen.width, s.seen.height) if isinstance(s.seen, Picture) else s.header[1:] if s.header else (None, None)
        for s in batch
    ]
    return {
        "shard": [shard] * len(batch),
        "key": [s.sample.key for s in batch],
        "url": [s.sample.url for s in batch],
        "caption": [s.sample.caption for s in batch],
        "label": [s.sample.label for s in batch],
        "status": [f.status if f else "ok" for f in faults],
        "message": [f.message or None if f else None for f in faults],
        "bytes": [len(s.data) if s.data else None for s in batch],
        "sha256": [hashlib.sha256(s.data).digest() if s.data else None for s in batch],
        "format": [s.header.format if s.header else None for s in batch],
        "width": [w for w, _ in sizes],
        "height": [h for _, h in sizes],
    }


def _view_columns(views: NDArray[np.uint8], min_contrast: float) -> dict[str, Iterable[Any]]:
    """The columns that are made from the grey views, (N, 2, 64, 64) uint8: hashes (none of blank views), facts, thumbnail."""
    facts = quality(views[:, 0])
    columns: dict[str, Iterable[Any]] = {name: values.tolist() for name, values in facts._asdict().items()}
    for number, region in enumerate(("whole", "square")):
        seen = np.ascontiguousarray(views[:, number])
        clear = views[:, number].std(axis=(1, 2)) >= min_contrast if number else facts.contrast >= min_contrast
        columns[f"phash_{region}"] = _where(clear, phash64(seen).tolist())
        columns[f"hash256_{region}"] = _where(clear, [h.tobytes() for h in phash256(seen)])
    columns["thumbnail"] = [thumbnail(v).tobytes() for v in views[:, 0]]
    return columns


def _where(keep: NDArray[np.bool_], values: list[Any]) -> Iterator[Any]:
    return (value if kept else None for kept, value in zip(keep.tolist(), values, strict=True))


make = Signer
