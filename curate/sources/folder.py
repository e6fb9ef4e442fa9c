"""Folders of images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from curate.errors import SourceError
from curate.ops.images import Fault
from curate.sources.base import IMAGES, Keys, Sample, Shard, SourceSettings, info_digest


def find(fs: Any, settings: SourceSettings) -> list[Shard]:
    root = fs._strip_protocol(settings.path).rstrip("/")
    listed = sorted(fs.find(root, detail=True).items())
    images = [(p, info_digest(i)) for p, i in listed if p.rpartition(".")[2].lower() in IMAGES]
    if not images:
        raise SourceError(f"{settings.path}: no images ({', '.join(IMAGES)}) in this folder")
    shards = []
    for start in range(0, len(images), settings.folder_shard):
        some = images[start : start + settings.folder_shard]
        digest = hashlib.sha256("\n".join(f"{p.removeprefix(root)} {d}" for p, d in some).encode()).hexdigest()
        name = f"{len(shards):05d}"
        files = tuple(fs.unstrip_protocol(p) for p, _ in some)
        shards.append(Shard(name, "folder", files, digest, fs.unstrip_protocol(root), settings))
    return shards


def read(fs: Any, shard: Shard, max_bytes: int) -> Iterator[Sample]:
    """Key: the path below the folder without its extension. Label: the folder the image lies in, if it is not the root."""
    keys = Keys()
    taken: set[str] = set()
    for path in shard.files:
        relative = path.removeprefix(shard.root).lstrip("/")
        stem, _, extension = relative.rpartition(".")
        folder, slash, base = stem.rpartition("/")
        key = folder + slash + base.replace(".", "_")  # a dot would split the key in a WebDataset
        key = key if key not in taken else f"{key}_{extension}"
        taken.add(key)
        label = folder.rpartition("/")[2] or None
        if fs.size(path) > max_bytes:
            yield keys.settle(Sample(key, label=label, fault=Fault("too_many_bytes", f"{fs.size(path)} bytes")))
            continue
        yield keys.settle(Sample(key, ((extension.lower(), fs.cat_file(path)),), label=label))
