"""The pictures of the pairs shown: small JPEGs made from decoded pixels, never the bytes that came from the web."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import simplejpeg

from curate import sources
from curate.errors import CurateError
from curate.ops import images
from curate.ops.images import Fault
from curate.report.pairs import Place
from curate.report.shards import Shards
from curate.runfile import RunFile
from curate.sources import Shard
from curate.store import Store

_LONG_SIDE = 160
"""Longer side of a thumbnail in px."""
_QUALITY = 75


@dataclass(frozen=True)
class Shown:
    """What the page shows of a picture: a JPEG (empty when there is none), if it is the grey one, and its text."""

    jpeg: bytes
    is_grey: bool
    caption: str | None
    url: str | None
    label: str | None


def find(run: RunFile, store: Store, places: Iterable[Place], shards: Shards) -> dict[Place, Shown]:
    """Find the pictures at these places, each shard read once; the stored grey preview where a shard is gone."""
    by_shard: dict[tuple[str, str], list[str]] = {}
    for place in dict.fromkeys(places):
        by_shard.setdefault((place.benchmark, place.shard), []).append(place.key)
    found: dict[Place, Shown] = {}
    for number, ((benchmark, name), keys) in enumerate(by_shard.items()):
        facts = _facts(store, benchmark, name, keys)
        shard = shards.find(benchmark, name) if number < run.report.shards_read else None
        coloured = _coloured(shard, facts, run) if shard else {}
        for key, fact in facts.items():
            jpeg = coloured.get(key) or fact["preview"] or b""
            text = (fact.get("caption"), fact.get("url"), fact["label"])
            found[Place(benchmark, name, key)] = Shown(jpeg, key not in coloured, *text)
    return found


def _facts(store: Store, benchmark: str, shard: str, keys: list[str]) -> dict[str, dict[str, Any]]:
    """What is stored of some pictures of one shard, by key."""
    columns = ["key", "sha256", "label", "preview"]
    if benchmark:
        table = store.dataset("views").read(f"{benchmark}.{shard}", [*columns, "view"])
        table = table.filter(pc.is_in(table["view"], value_set=pa.array(["whole", "none"])))
    else:
        table = store.dataset("signatures").read(shard, [*columns, "caption", "url"])
    table = table.filter(pc.is_in(table["key"], value_set=pa.array(keys)))
    return {row["key"]: row for row in table.to_pylist()}


def _coloured(shard: Shard, facts: dict[str, dict[str, Any]], run: RunFile) -> dict[str, bytes]:
    """Thumbnails from the shard as JPEGs, by key; only of the very bytes that were signed."""
    found: dict[str, bytes] = {}
    left = dict(facts)
    try:
        for sample in sources.read(shard, run.signatures.max_bytes):
            fact = left.pop(sample.key, None)
            if fact and sample.image and hashlib.sha256(sample.image).digest() == fact["sha256"]:
                found |= _thumbnail(sample.key, sample.image, run.signatures.max_pixels)
            if not left:
                break
    except (CurateError, OSError, pa.ArrowException):
        pass  # the shard is gone or broken since: the stored previews serve
    return found


def _thumbnail(key: str, data: bytes, max_pixels: int) -> dict[str, bytes]:
    """`{key: JPEG}` of an untrusted image, made as everywhere else: size first, then one decode; or nothing."""
    header = images.probe(data)
    if isinstance(header, Fault) or images.limits(header, max_pixels):
        return {}
    picture = images.decode(data, header, _LONG_SIDE, colour=True)
    if isinstance(picture, Fault):
        return {}
    height, width = picture.pixels.shape[:2]
    scale = min(1.0, _LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA)
    rows = np.ascontiguousarray(small, np.uint8)
    return {key: simplejpeg.encode_jpeg(rows, quality=_QUALITY, colorspace="RGB", colorsubsampling="420")}
