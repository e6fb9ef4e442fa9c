"""Where samples come from: WebDataset tars (also img2dataset's, with their Parquet beside), Parquet with image bytes,
and image folders, read where they lie. The corpus and the benchmarks enter through this one door.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import fsspec
from braceexpand import braceexpand

from curate.errors import SourceError
from curate.sources import folder, parquet, webdataset
from curate.sources.base import IMAGES, Kind, Sample, Shard, SourceSettings, info_digest

__all__ = ["IMAGES", "Sample", "Shard", "SourceSettings", "find", "list_files", "read"]


def find(settings: SourceSettings) -> list[Shard]:
    """List the shards under `settings.path` without reading them; SourceError when there are none."""
    fs, _ = fsspec.core.url_to_fs(settings.path)
    kind = _kind(fs, settings)
    if kind == "folder":
        return folder.find(fs, settings)
    files = list_files(settings.path)
    names = _names(list(files), f".{kind}")
    if kind == "parquet":
        return [Shard(n, kind, (f,), d, settings=settings) for n, (f, d) in zip(names, files.items(), strict=True)]
    return [_tar_shard(n, f, d, settings) for n, (f, d) in zip(names, files.items(), strict=True)]


def read(shard: Shard, max_bytes: int = 100 * 2**20) -> Iterator[Sample]:
    """Yield every sample of a shard in its order, lost ones included, reading the shard once from front to back."""
    max_bytes = shard.settings.max_bytes if shard.settings else max_bytes
    fs, _ = fsspec.core.url_to_fs(shard.files[0])
    readers = {"tar": webdataset.read, "parquet": parquet.read, "folder": folder.read}
    return readers[shard.kind](fs, shard, max_bytes)


def list_files(path: str) -> dict[str, str]:
    """Resolve a path with braces and globs: file URL -> digest of what its store says of it (size, time or ETag).

    Raises SourceError naming what is not there.
    """
    fs, _ = fsspec.core.url_to_fs(path)
    patterns = _expand(path)
    found = {pattern: _glob(fs, pattern) for pattern in patterns}
    missing = [pattern for pattern, files in found.items() if not files]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise SourceError(f"not found: {', '.join(missing[:5])}{more}")
    return {file: digest for files in found.values() for file, digest in files.items()}


def _expand(path: str) -> list[str]:
    try:
        return list(braceexpand(path))
    except ValueError:
        raise SourceError(f"{path}: its braces do not match") from None


def _kind(fs: Any, settings: SourceSettings) -> Kind:
    if settings.format != "auto":
        return "tar" if settings.format == "webdataset" else settings.format
    path = settings.path.rstrip("/")
    if path.endswith(".parquet"):
        return "parquet"
    if path.endswith(".tar"):
        return "tar"
    if fs.isdir(path):
        return "folder"
    raise SourceError(f"{settings.path}: neither *.tar, *.parquet nor a folder; set `format`")


def _glob(fs: Any, pattern: str) -> dict[str, str]:
    try:
        magic = any(c in pattern for c in "*?[")
        listed = fs.glob(pattern, detail=True) if magic else {fs._strip_protocol(pattern): fs.info(pattern)}
    except FileNotFoundError:
        return {}
    files = {path: info for path, info in sorted(listed.items()) if info["type"] != "directory"}
    return {str(fs.unstrip_protocol(path)): info_digest(info) for path, info in files.items()}


def _names(paths: list[str], suffix: str) -> list[str]:
    """Shard names: the file names, with as many parent folders as it takes to tell them apart, and never hidden."""
    steps = [p.removesuffix(suffix).split("/") for p in paths]
    for depth in range(1, max(map(len, steps)) + 1):
        names = ["_".join(s[-depth:]).lstrip(".") for s in steps]
        if len(set(names)) == len(names):
            return names
    raise SourceError(f"{paths[0]}: the same shard is listed twice")


def _tar_shard(name: str, file: str, digest: str, settings: SourceSettings) -> Shard:
    """A tar, and the Parquet that img2dataset writes beside it when there is one: it lists what was not fetched too."""
    fs, _ = fsspec.core.url_to_fs(file)
    beside = _glob(fs, file.removesuffix(".tar") + ".parquet")
    digests = hashlib.sha256("".join([digest, *beside.values()]).encode()).hexdigest()
    return Shard(name, "tar", (file, *beside), digests, settings=settings)
