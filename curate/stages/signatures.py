"""Signatures: everything that later stages need to know of a sample, from one read and one decode."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
import pyarrow as pa
import simplejpeg
from numpy.typing import NDArray
from pydantic import Field, field_validator

from curate.config import Settings
from curate.contracts import contract
from curate.detector.pixels import squash
from curate.ops import images
from curate.ops.embedding import Embedder, checked_spec
from curate.ops.hashing import SIDE, phash64, phash256
from curate.ops.images import Fault, Header, Picture
from curate.ops.quality import clear, quality
from curate.ops.views import corpus_regions, hashed, preview, thumbnail
from curate.sources import Sample

VERSION = 5
_DECODE_SIDE = 128
"""JPEGs are decoded reduced, to no less than so many px a side: what previews and the hashes of quarters look at."""
_HASHES_ONLY_SIDE = 64
"""The same where no embedding is asked for, so that hashing alone stays as fast as it can be. Hashes of copies at half
the size are then 4 bits farther (mean of all regions of 200 photographs: 7.5 against 3.4, of a radius of 56).
"""
_PREVIEW_QUALITY = 85


class SignaturesSettings(Settings):
    """How samples are signed. The benchmarks are signed with the same settings."""

    how_not_what: ClassVar[frozenset[str]] = frozenset({"batch_size", "device", "num_cpus", "num_gpus"})

    embedding: str = Field(
        "detector",
        description="detector (comes with curate), none (hashes only), open_clip:MODEL/WEIGHTS, timm:MODEL/WEIGHTS or "
        "torchscript:FILE?side=PX",
    )
    max_bytes: int = Field(100 * 2**20, ge=1, description="largest image member that is read, B")
    max_pixels: int = Field(100_000_000, ge=1, le=images.MAX_PIXELS, description="largest image that is decoded, px")
    min_contrast: float = Field(
        4.0, ge=0, description="views below this, or half of it about a slope, are blank: no hash; grey levels"
    )
    batch_size: int = Field(256, ge=1, description="images hashed and embedded at once")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N, for the embedding")
    num_cpus: float = Field(1, ge=0, description="cores that a worker occupies on Ray")
    num_gpus: float = Field(0, ge=0, description="GPUs that a worker occupies on Ray")

    @field_validator("embedding")
    @classmethod
    def _known(cls, spec: str) -> str:
        return spec if spec == "none" else checked_spec(spec)


class Signed(NamedTuple):
    """What is kept of a sample once it was looked at: its bytes and pixels are gone, so that a batch stays small."""

    row: dict[str, Any]
    """The columns that need no pixels, as of contract `signatures`."""
    views: NDArray[np.uint8] | None = None
    """The regions of the picture, (6, 64, 64) uint8; None where there is no picture."""
    preview: bytes | None = None
    """A small grey JPEG of it."""
    prepared: Any = None
    """The picture as the model wants it; None without a model."""


class Signer:
    """Signs samples; made once a worker, since it may hold a model."""

    def __init__(self, settings: SignaturesSettings) -> None:
        self._settings = settings
        self.embed = Embedder(settings.embedding, settings.device) if settings.embedding != "none" else None
        self.facts: dict[str, Any] = self.embed.facts if self.embed else {}

    def __call__(self, shard: str, samples: Iterable[Sample]) -> pa.Table:
        """Sign a shard: its samples, in order -> a table of contract `signatures`, one row each."""
        looked = map(self.look, samples)
        tables = [contract("signatures").empty()]
        while batch := list(islice(looked, self._settings.batch_size)):
            tables.append(self._sign(shard, batch))
        return pa.concat_tables(tables).combine_chunks()

    def open(self, sample: Sample, enlarged: int = 1) -> tuple[dict[str, Any], NDArray[np.uint8] | None]:
        """Read a sample's image within the caps: the columns that need no pixels, and the pixels, if any.

        They may be reduced, to no less than `enlarged` times what hashes and model look at; grey, (H, W) uint8, unless
        the model wants colour, (H, W, 3) uint8 RGB.
        """
        data = sample.image or b""
        found = sample.fault or images.probe(data)
        if isinstance(found, Fault):
            return _facts(sample, None, found), None
        seen = images.limits(found, self._settings.max_pixels) or self._decode(data, found, enlarged)
        pixels = None if isinstance(seen, Fault) else seen.pixels
        return _facts(sample, found, seen), pixels

    def _decode(self, data: bytes, header: Header, enlarged: int) -> Picture | Fault:
        side = max(_DECODE_SIDE, self.embed.size) if self.embed else _HASHES_ONLY_SIDE
        return images.decode(data, header, side * enlarged, colour=bool(self.embed and self.embed.colour))

    def look(self, sample: Sample) -> Signed:
        row, pixels = self.open(sample)
        if pixels is None:
            return Signed(row)
        dark = grey(pixels)
        squashed = squash(dark)
        views = hashed(dark, squashed, corpus_regions(row["width"], row["height"]))
        prepared = self.embed.prepare(pixels if self.embed.colour else squashed) if self.embed else None
        return Signed(row, views, encoded(preview(dark)), prepared)

    def _sign(self, shard: str, batch: list[Signed]) -> pa.Table:
        rows = {name: [signed.row[name] for signed in batch] for name in batch[0].row}
        good = [i for i, signed in enumerate(batch) if signed.views is not None]
        views = np.array([batch[i].views for i in good], np.uint8).reshape(-1, len(_REGIONS), SIDE, SIDE)
        found = _view_columns(views, self._settings.min_contrast)
        found["preview"] = [batch[i].preview for i in good]
        if self.embed and good:
            found["embedding"] = self.embed([batch[i].prepared for i in good])
            for i, vector in zip(good, found["embedding"], strict=True):
                rows["message"][i] = None if vector is not None else "the model gave no finite embedding"
        for name, values in found.items():
            rows[name] = [None] * len(batch)
            for i, value in zip(good, values, strict=True):
                rows[name][i] = value
        return contract("signatures").table({"shard": [shard] * len(batch), **rows})


_REGIONS = tuple(corpus_regions(1, 1))


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    """A preview as stored: (H, W) uint8 -> grey JPEG."""
    coded = simplejpeg.encode_jpeg(pixels[:, :, None], quality=_PREVIEW_QUALITY, colorspace="GRAY")
    return bytes(coded)


def grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The grey of a decoded picture: (H, W) or (H, W, 3) uint8 -> (H, W) uint8, ITU-R 601 as JPEG's own."""
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels  # type: ignore[return-value]


def _facts(sample: Sample, header: Header | None, seen: Picture | Fault) -> dict[str, Any]:
    """The columns that need no pixels, of one sample."""
    data, fault = sample.image, seen if isinstance(seen, Fault) else None
    width, height = (seen.width, seen.height) if isinstance(seen, Picture) else header[1:] if header else (None, None)
    return {
        "key": sample.key,
        "url": sample.url,
        "caption": sample.caption,
        "label": sample.label,
        "status": fault.status if fault else "ok",
        "message": fault.message or None if fault else None,
        "bytes": len(data) if data else None,
        "sha256": hashlib.sha256(data).digest() if data else None,
        "format": header.format if header else None,
        "width": width,
        "height": height,
    }


def _view_columns(views: NDArray[np.uint8], min_contrast: float) -> dict[str, Iterable[Any]]:
    """The columns made from the grey views, (N, 6, 64, 64) uint8: hashes (none of blank views), facts, thumbnail."""
    facts = quality(views[:, 0])
    columns: dict[str, Iterable[Any]] = {name: values.tolist() for name, values in facts._asdict().items()}
    flat = views.reshape(-1, SIDE, SIDE)
    good = clear(flat, min_contrast).reshape(views.shape[:2])
    long = phash256(flat).reshape(*good.shape, 32)
    for number, region in enumerate(_REGIONS):
        columns[f"hash256_{region}"] = _where(good[:, number], [h.tobytes() for h in long[:, number]])
    for number, region in enumerate(("whole", "square")):
        columns[f"phash_{region}"] = _where(good[:, number], phash64(views[:, number]).tolist())
    columns["thumbnail"] = [thumbnail(v).tobytes() for v in views[:, 0]]
    return columns


def _where(keep: NDArray[np.bool_], values: list[Any]) -> list[Any]:
    return [value if kept else None for kept, value in zip(keep.tolist(), values, strict=True)]


make = Signer
