"""Where samples come from: WebDataset tars (also img2dataset's, with their Parquet beside), Parquet with image bytes,
and image folders, read where they lie. The corpus and the benchmarks enter through this one door.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import fsspec
from braceexpand import braceexpand
from fsspec.core import has_magic

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
    named = zip(names, files.items(), strict=True)
    if kind == "parquet":
        return [Shard(name, kind, (file,), digest, settings=settings) for name, (file, digest) in named]
    listing = _Listing(fs)
    return [_tar_shard(name, file, digest, listing)._replace(settings=settings) for name, (file, digest) in named]


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
    listing = _Listing(fs)
    found = {pattern: listing.match(pattern) for pattern in _expand(path)}
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


class _Listing:
    """Files of a store and their digests: one request a folder, however many names are looked up in it."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs
        self._folders: dict[str, dict[str, Any]] = {}

    def match(self, pattern: str) -> dict[str, str]:
        """The files that a path or glob names: file URL -> digest, sorted."""
        path = self._fs._strip_protocol(pattern)
        folder, _, name = path.rpartition("/")
        if has_magic(folder):
            found = self._fs.glob(pattern, detail=True)
        elif has_magic(name):
            found = {p: i for p, i in self._in(folder).items() if fnmatchcase(p.rpartition("/")[2], name)}
        else:
            found = {path: self._in(folder)[path]} if path in self._in(folder) else {}
        files = {p: info for p, info in sorted(found.items()) if info["type"] != "directory"}
        return {str(self._fs.unstrip_protocol(p)): info_digest(info) for p, info in files.items()}

    def _in(self, folder: str) -> dict[str, Any]:
        if folder not in self._folders:
            try:
                self._folders[folder] = {info["name"]: info for info in self._fs.ls(folder, detail=True)}
            except (FileNotFoundError, NotADirectoryError):
                self._folders[folder] = {}
        return self._folders[folder]


def _names(paths: list[str], suffix: str) -> list[str]:
    """Shard names: the file names, with as many parent folders as it takes to tell them apart, and never hidden."""
    steps = [p.removesuffix(suffix).split("/") for p in paths]
    for depth in range(1, max(map(len, steps)) + 1):
        names = ["_".join(s[-depth:]).lstrip(".") for s in steps]
        if len(set(names)) == len(names):
            return names
    raise SourceError(f"{paths[0]}: the same shard is listed twice")


def _tar_shard(name: str, file: str, digest: str, listing: _Listing) -> Shard:
    """A tar, and the Parquet that img2dataset writes beside it when there is one: it lists what was not fetched too."""
    beside = listing.match(file.removesuffix(".tar") + ".parquet")
    digests = hashlib.sha256("".join([digest, *beside.values()]).encode()).hexdigest()
    return Shard(name, "tar", (file, *beside), digests)
