"""Data sets that are no image files, or are split by none: read by torchvision, which checks their digests first."""

from __future__ import annotations

import hashlib
import inspect
import io
from collections.abc import Iterator
from typing import Any

from curate.errors import SourceError
from curate.sources.base import Keys, Sample, Shard, SourceSettings, info_digest


def find(fs: Any, settings: SourceSettings) -> list[Shard]:
    """One shard: the file or folder at `settings.path`, under the name and in the place that torchvision gives it."""
    path = fs._strip_protocol(settings.path).rstrip("/")
    files = sorted(fs.find(path, detail=True).items())
    if not files:
        raise SourceError(f"{settings.path}: nothing there for torchvision to read as {settings.dataset}")
    said = "\n".join([settings.dataset or "", *(f"{p} {info_digest(i)}" for p, i in files)])
    digest = hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()
    return [Shard("00000", "torchvision", (fs.unstrip_protocol(path),), digest, path.rpartition("/")[0], settings)]


def read(fs: Any, shard: Shard, max_bytes: int) -> Iterator[Sample]:
    """Every image as PNG with its label; key: its number in the split. SourceError where a digest is another."""
    del fs, max_bytes  # local files, and small images of known sizes
    assert shard.settings
    name, _, split = str(shard.settings.dataset).partition(" ")
    keys = Keys()
    for number, (image, label) in enumerate(_opened(shard, name, split)):
        out = io.BytesIO()
        image.save(out, "png", compress_level=1)
        yield keys.settle(Sample(f"s{number:07d}", (("png", out.getvalue()),), label=str(int(label))))


def _opened(shard: Shard, name: str, split: str) -> Iterator[tuple[Any, Any]]:
    try:
        from torchvision import datasets
    except ImportError:
        raise SourceError(f"{shard.files[0]}: to read {name}, pip install 'curate[models]'") from None
    kind = getattr(datasets, name)
    by_train = "train" in inspect.signature(kind).parameters
    try:
        data = kind(shard.root, **({"train": split == "train"} if by_train else {"split": split}))
    except (RuntimeError, OSError, KeyError, ValueError) as error:
        why = str(error).partition(". ")[0]  # what follows is advice on its own `download`
        raise SourceError(f"{shard.files[0]}: torchvision's {name}: {why}; fetch it again") from None
    return (data[i] for i in range(len(data)))
