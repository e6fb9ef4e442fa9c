"""What a shard and a sample are, wherever they come from."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal, NamedTuple

from pydantic import Field

from curate.config import Settings
from curate.ops.images import Fault
from curate.ops.tars import unsafe

IMAGES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif")
Kind = Literal["tar", "parquet", "folder", "tfrecord", "torchvision"]


class SourceSettings(Settings):
    """Where samples are, and how to read them."""

    path: str = Field(
        description="tars, Parquet or TFRecord (globs and braces allowed), or a folder of images, links followed; "
        "local or fsspec"
    )
    format: Literal["auto", "webdataset", "parquet", "folder", "tfrecord"] = "auto"
    rows: tuple[int, int] | None = Field(
        None, description="Parquet and TFRecord: only the rows from the first number to before the second, of all files"
    )
    listed: str | None = Field(
        None, description="folder: text file that names the images to take, the first word of each line"
    )
    image_col: str | None = Field(None, description="Parquet: column of image bytes; found by name when not given")
    caption_col: str | None = Field(None, description="Parquet: column of captions; found by name when not given")
    key_col: str | None = Field(None, description="Parquet: column of keys; the row number when not given")
    label_col: str | None = Field(None, description="Parquet: column of class labels; found by name when not given")
    dataset: str | None = Field(
        None,
        pattern=r"^(CIFAR10|CIFAR100|SVHN|Flowers102) (train|test)$",
        description="torchvision: its class and the split, as `SVHN test`; the path is its file or folder",
    )
    folder_shard: int = Field(1000, ge=1, description="folder: images a shard")
    max_bytes: int = Field(100 * 2**20, ge=1, description="larger members are not read, B")


class Shard(NamedTuple):
    """One shard of samples. `digest` tells its content from another's: what parts made of it are made from.

    `first` is the number of its first row among those of all files, `rows` which of its own are wanted, if not all.
    """

    name: str
    kind: Kind
    files: tuple[str, ...]
    digest: str
    root: str = ""
    settings: SourceSettings | None = None
    first: int = 0
    rows: tuple[int, int] | None = None


class Sample(NamedTuple):
    """One sample as it lies in its shard: members as (extension, bytes), each extension once; or why it is lost."""

    key: str
    members: tuple[tuple[str, bytes], ...] = ()
    url: str | None = None
    caption: str | None = None
    label: str | None = None
    fault: Fault | None = None

    @property
    def image(self) -> bytes | None:
        """The first member that has an image's extension."""
        return next((data for extension, data in self.members if extension in IMAGES), None)


class Keys:
    """Sees to it that every sample of a shard has a key of its own, so that each has its row."""

    def __init__(self) -> None:
        self._uses: dict[str, int] = {}

    def settle(self, sample: Sample) -> Sample:
        """Refuse unsafe names, and name a second sample of one key `KEY#2`; both stay in the tables as lost samples."""
        if unsafe(sample.key):
            sample = lose(sample._replace(key=printable(sample.key) or "(no name)"), Fault("bad_key", "unsafe name"))
        key = self._free(sample.key)
        if key == sample.key:
            return sample
        return lose(sample._replace(key=key), Fault("duplicate_key", f"a second `{sample.key}`"))

    def _free(self, key: str) -> str:
        free, number = key, self._uses.get(key, 0)
        while free in self._uses:
            number += 1
            free = f"{key}#{number}"
        self._uses[free] = 1
        self._uses[key] = max(number, 1)
        return free


def lose(sample: Sample, fault: Fault) -> Sample:
    """The sample without its members; its first fault is the one that counts."""
    return sample._replace(members=(), fault=sample.fault or fault)


def printable(text: str) -> str:
    """Escape what would garble a terminal or a table."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def info_digest(info: dict[str, Any]) -> str:
    """Digest of what a store says of a file. Reading 100 TB to learn that nothing changed would be no help.

    The Hugging Face hub names a file's content; so does its cache, by the name of what a link leads to.
    """
    content = (info.get("lfs") or {}).get("sha256") or info.get("blob_id") or _blob(info.get("destination", ""))
    if content:
        return hashlib.sha256(f"{info.get('size')} {content}".encode()).hexdigest()
    changed = next((str(info[k]) for k in ("ETag", "etag", "mtime", "LastModified", "last_modified") if k in info), "")
    return hashlib.sha256(f"{info.get('size')} {changed}".encode()).hexdigest()


def _blob(link: str) -> str:
    """The digest of a file's content, where a link of the hub's cache names it."""
    folder, _, name = str(link).rpartition("/")
    return name if folder.endswith("blobs") and re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", name) else ""


def as_text(value: Any) -> str | None:
    """Text and numbers as text that Arrow can hold (JSON may smuggle in half a surrogate pair); None for all else."""
    if not isinstance(value, str | int | float):
        return None
    return str(value).encode("utf-8", "replace").decode("utf-8")
