"""Shards: the images behind a slice of URLs, fetched into a tar, and one row a URL that says what became of it."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import IO, Any, Literal, NamedTuple

import pyarrow as pa
from PIL import ExifTags, Image
from pydantic import Field

from curate.contracts import contract
from curate.fetch import Fetched, FetchSettings, fetch, img2dataset
from curate.ops import images, tars
from curate.ops.images import Fault, Header
from curate.ops.resizing import EXTENSIONS, Encoded, ResizeSettings, resize

VERSION = 1

ENGINES: dict[str, Callable[[Sequence[str], FetchSettings], Iterator[Fetched]]] = {
    "curate": fetch,
    "img2dataset": img2dataset.fetch,
}
_OF_THE_BYTES = frozenset(
    {"empty", "not_an_image", "svg", "too_many_pixels", "too_small", "bad_aspect", "truncated", "unreadable"}
)
"""Reasons that img2dataset calls `failed_to_resize`: something was fetched, and it is no image that we want."""
_LONGEST_EXIF = 64 * 1024


class ShardsSettings(FetchSettings, ResizeSettings):
    """How the images are fetched, which are taken, and what is stored of them."""

    engine: Literal["curate", "img2dataset"] = Field(
        "curate", description="who fetches; see curate/fetch/img2dataset.py for what the other one cannot promise"
    )
    min_image_size: int = Field(0, ge=0, description="px, of the shorter side")
    max_aspect_ratio: float | None = Field(None, ge=1, description="longer side / shorter side; none: any")
    max_image_area: int = Field(100_000_000, ge=1, le=images.MAX_PIXELS, description="px, by the header; never decoded")
    extract_exif: bool = Field(False, description="store the EXIF tags (they may hold names and places)")


class Fate(NamedTuple):
    """What became of a URL; of an image also where its bytes lie in the spool, and what its header says."""

    reason: str
    message: str
    offset: int = 0
    length: int = 0
    header: Header | None = None
    sha256: str | None = None


def make(settings: ShardsSettings) -> Callable[[pa.Table, tars.Sink], pa.Table]:
    """Get ready to download: gives `(urls, tar) -> shards`, both tables by contract and in the same order.

    The tar's bytes depend on the fetched bytes alone: key order, no times, no owners. Bodies wait in a temporary file
    (TMPDIR) until their turn, so that memory does not grow with the shard.
    """
    return partial(_download, settings)


def _download(settings: ShardsSettings, urls: pa.Table, tar: tars.Sink) -> pa.Table:
    listed = urls.to_pylist()
    with tempfile.TemporaryFile(buffering=1 << 20) as spool:
        fates: dict[int, Fate] = {}
        for fetched in ENGINES[settings.engine]([row["url"] for row in listed], settings):
            fates[fetched.index] = _judge(fetched, spool, settings)
        rows = [_emit(listed[i], fates[i], spool, tar, settings) for i in range(len(listed))]
    tar.write(tars.END)
    names = contract("shards").schema.names
    return contract("shards").table({name: [row.get(name) for row in rows] for name in names})


def _judge(fetched: Fetched, spool: IO[bytes], settings: ShardsSettings) -> Fate:
    """Hold a body against the caps by its header alone, and spool what passes."""
    if fetched.reason != "ok":
        return Fate(fetched.reason, fetched.message)
    header = images.probe(fetched.body)
    if isinstance(header, Fault):
        return Fate(header.status, header.message)
    aspect = settings.max_aspect_ratio or float("inf")
    fault = images.limits(header, settings.max_image_area, settings.min_image_size, aspect)
    if fault:
        return Fate(fault.status, fault.message)
    digest = hashlib.sha256(fetched.body).hexdigest()
    offset = spool.tell()
    spool.write(fetched.body)
    return Fate("ok", "", offset, len(fetched.body), header, digest)


def _emit(
    listed: dict[str, Any], fate: Fate, spool: IO[bytes], tar: tars.Sink, settings: ShardsSettings
) -> dict[str, Any]:
    """Write a sample's members, if it has come to an image, and return its row."""
    if fate.header is None:
        return _failed(listed, fate.reason, fate.message)
    spool.seek(fate.offset)
    body = spool.read(fate.length)
    image = _image(body, fate.header, settings)
    if isinstance(image, Fault):
        return _failed(listed, image.status, image.message)
    row = {
        **listed,
        "status": "success",
        "reason": "ok",
        "error_message": None,
        "width": image.width,
        "height": image.height,
        "original_width": fate.header.width,
        "original_height": fate.header.height,
        "exif": _exif(body) if settings.extract_exif else None,
        "sha256": fate.sha256,
    }
    tars.write(tar, f"{listed['key']}.{image.extension}", image.data)
    if listed["caption"] is not None:
        tars.write(tar, f"{listed['key']}.txt", listed["caption"].encode())
    tars.write(tar, f"{listed['key']}.json", _metadata(row, settings))
    return row


def _image(body: bytes, header: Header, settings: ShardsSettings) -> Encoded | Fault:
    if settings.resize_mode == "no":
        return Encoded(body, EXTENSIONS[header.format], header.width, header.height)
    return resize(body, header, settings)


def _failed(listed: dict[str, Any], reason: str, message: str) -> dict[str, Any]:
    status = "failed_to_resize" if reason in _OF_THE_BYTES else "failed_to_download"
    return {**listed, "status": status, "reason": reason, "error_message": message or reason}


def _metadata(row: dict[str, Any], settings: ShardsSettings) -> bytes:
    """The `json` member: img2dataset's fields in its order (`reason` is our table's own)."""
    left_out = {"reason"} | (set() if settings.extract_exif else {"exif"})
    left_out |= {"caption"} if row["caption"] is None else set()
    first = [name for name in ("caption", "url") if name not in left_out]
    rest = [name for name in row if name not in left_out and name not in first]
    return json.dumps({name: row[name] for name in first + rest}, indent=4).encode()


def _exif(body: bytes) -> str | None:
    """The EXIF tags of an image as JSON: {tag's name: value as text}, sorted; None when there are none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(body), formats=images.FORMATS) as image:
                exif = image.getexif()
                tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif), **exif.get_ifd(ExifTags.IFD.GPSInfo)}
    except Exception:  # a broken EXIF block must not cost the image
        return None
    named = {ExifTags.TAGS.get(tag, f"0x{tag:04x}"): str(value).strip() for tag, value in sorted(tags.items())}
    text = json.dumps(named)
    return text if named and len(text) <= _LONGEST_EXIF else None
