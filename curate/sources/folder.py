"""Folders of images."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from curate.errors import SourceError
from curate.ops.images import Fault
from curate.sources.base import IMAGES, Keys, Sample, Shard, SourceSettings, as_text, info_digest


def find(fs: Any, settings: SourceSettings) -> list[Shard]:
    """Cut the folder's images, in the order of their paths, into shards."""
    root = fs._strip_protocol(settings.path).rstrip("/")
    listed = sorted((_followed(root, fs) if isinstance(fs, LocalFileSystem) else fs.find(root, detail=True)).items())
    files = [(p, info_digest(i)) for p, i in listed if i["type"] == "file"]  # a named pipe would never end
    images = [(p, digest) for p, digest in files if p.rpartition(".")[2].lower() in IMAGES]
    if settings.listed:
        images = _listed(fs, settings.listed, root, images)
    if not images:
        raise SourceError(f"{settings.path}: no images ({', '.join(IMAGES)}) in this folder")
    shards: list[Shard] = []
    for start in range(0, len(images), settings.folder_shard):
        some = images[start : start + settings.folder_shard]
        said = "\n".join(f"{p.removeprefix(root)} {d}" for p, d in some)
        digest = hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()
        urls = tuple(fs.unstrip_protocol(p) for p, _ in some)
        shards.append(Shard(f"{len(shards):05d}", "folder", urls, digest, fs.unstrip_protocol(root), settings))
    return shards


def _followed(root: str, fs: LocalFileSystem) -> dict[str, Any]:
    """What lies below a folder of this machine, links followed: path -> what its store says of it.

    A folder that several paths lead to is listed once, where it lies if that is below `root`; so links have no loops.
    """
    found: dict[str, Any] = {}
    entered: set[str] = set()
    links = deque([root])
    while links:
        for folder, folders, files in os.walk(links.popleft()):
            if os.path.realpath(folder) in entered:
                folders.clear()
                continue
            entered.add(os.path.realpath(folder))
            links.extend(sorted(path for name in folders if os.path.islink(path := os.path.join(folder, name))))
            paths = (os.path.join(folder, name) for name in files)
            found |= {path: fs.info(path) for path in paths if os.path.exists(path)}
    return found


def _listed(fs: Any, path: str, root: str, images: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The images that a file names, by their path below the folder, with or without extension; all must be there."""
    try:
        lines = fs.cat_file(fs._strip_protocol(path)).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: it should name the images to take: {error}") from None
    wanted = {line.split()[0].lstrip("/") for line in lines if line.strip() and not line.startswith("#")}
    names = [p.removeprefix(root).lstrip("/") for p, _ in images]
    taken = [{name, name.rpartition(".")[0]} & wanted for name in names]
    missing = sorted(wanted.difference(*taken))
    if missing:
        raise SourceError(f"{path} names {len(wanted):,} images; {len(missing):,} are not in {root}, as {missing[0]}")
    return [image for image, named in zip(images, taken, strict=True) if named]


def read(fs: Any, shard: Shard, max_bytes: int) -> Iterator[Sample]:
    """Key: the path below the folder without its extension. Label: the folder it lies in, if that is not the root."""
    keys = Keys()
    taken: set[str] = set()
    for path in shard.files:
        relative = path.removeprefix(shard.root).lstrip("/")
        stem, _, extension = relative.rpartition(".")
        folder, slash, base = stem.rpartition("/")
        key = folder + slash + base.replace(".", "_")  # a dot would split the key in a WebDataset
        key = key if key not in taken else f"{key}_{extension}"
        taken.add(key)
        label = as_text(folder.rpartition("/")[2]) or None
        size = fs.size(path)
        if size > max_bytes:
            yield keys.settle(Sample(key, label=label, fault=Fault("too_many_bytes", f"{size} bytes")))
            continue
        yield keys.settle(Sample(key, ((extension.lower(), fs.cat_file(path)),), label=label))
