"""Where samples come from: WebDataset tars (also img2dataset's, with their Parquet beside, and CLIP benchmark's, with
their number in `nshards.txt`), Parquet with image bytes, TFDS' TFRecord, and image folders, read where they lie. The
corpus and the benchmarks enter through this one door.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

import fsspec
from braceexpand import braceexpand
from fsspec.core import has_magic

from curate.errors import CurateError, SourceError
from curate.sources import folder, parquet, tfrecord, torchvision, webdataset
from curate.sources.base import IMAGES, Kind, Sample, Shard, SourceSettings, info_digest

__all__ = ["IMAGES", "Sample", "Shard", "SourceSettings", "find", "list_files", "read"]


def find(settings: SourceSettings) -> list[Shard]:
    """List the shards under `settings.path` without reading them; SourceError when there are none."""
    with _hub_told(settings.path):
        return _find(settings)


def _find(settings: SourceSettings) -> list[Shard]:
    fs, _ = fsspec.core.url_to_fs(settings.path)
    kind = _kind(fs, settings)
    if kind == "folder" and settings.format == "auto" and _has(fs, settings.path, "nshards.txt"):
        kind, settings = "tar", settings.model_copy(update={"path": _numbered(fs, settings.path)})
    if settings.rows and kind not in ("parquet", "tfrecord"):
        raise SourceError(f"{settings.path}: `rows` are cut out of Parquet and TFRecord, not out of a {kind}")
    if kind in ("folder", "torchvision"):
        return folder.find(fs, settings) if kind == "folder" else torchvision.find(fs, settings)
    files = list_files(settings.path)
    names = _names(list(files), f".{kind}")
    shards = [
        Shard(name, kind, (file,), digest, settings=settings)
        for name, (file, digest) in zip(names, files.items(), strict=True)
    ]
    if kind == "tar":
        listing = _Listing(fs)
        return [_beside(shard, listing) for shard in shards]
    return _cut(fs, shards, settings.rows)


def read(shard: Shard, max_bytes: int = 100 * 2**20) -> Iterator[Sample]:
    """Yield every sample of a shard in its order, lost ones included, reading the shard once from front to back."""
    max_bytes = shard.settings.max_bytes if shard.settings else max_bytes
    with _hub_told(shard.files[0]):
        fs, _ = fsspec.core.url_to_fs(shard.files[0])
        samples = _READ[shard.kind](fs, shard, max_bytes)
        yield from samples if shard.rows is None else islice(samples, *shard.rows)


_READ = {
    "tar": webdataset.read,
    "parquet": parquet.read,
    "folder": folder.read,
    "tfrecord": tfrecord.read,
    "torchvision": torchvision.read,
}


@contextmanager
def _hub_told(path: str) -> Iterator[None]:
    """Tell in one line why the hub gave nothing: its client's exceptions are of many kinds, and long."""
    try:
        yield
    except CurateError:
        raise
    except Exception as error:
        if not path.startswith("hf://"):
            raise
        if isinstance(error, ImportError):
            raise SourceError(f"{path}: to read from the hub, pip install 'curate[hub]'") from None
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise SourceError(f"{path}: the hub gave nothing: {why}; try again, or give a `path`") from None


def _has(fs: Any, folder: str, name: str) -> bool:
    return bool(fs.exists(f"{folder.rstrip('/')}/{name}"))


def _numbered(fs: Any, folder: str) -> str:
    """The tars of a folder that says in `nshards.txt` how many there are, as CLIP benchmark's do: 0.tar, 1.tar, ..."""
    base = folder.rstrip("/")
    said = fs.cat_file(f"{base}/nshards.txt").decode("ascii", "replace").strip()
    if not said.isdecimal() or not int(said):
        raise SourceError(f"{base}/nshards.txt: it says {said[:40]!r}, not how many tars there are; fetch it again")
    return f"{base}/{{0..{int(said) - 1}}}.tar"


def _cut(fs: Any, shards: list[Shard], rows: tuple[int, int] | None) -> list[Shard]:
    """Number the rows of all files, where the format tells their counts, and keep those that are wanted."""
    kind = shards[0].kind
    if kind == "parquet" and rows is None:
        return shards  # nothing has to be opened
    counts = (parquet.counts if kind == "parquet" else tfrecord.counts)(fs, [shard.files[0] for shard in shards])
    start, stop = rows or (0, sum(counts))
    if not 0 <= start < stop <= sum(counts):
        raise SourceError(f"{shards[0].files[0]}: `rows` = [{start}, {stop}] of {sum(counts):,} rows in all files")
    wanted, first = [], 0
    for shard, count in zip(shards, counts, strict=True):
        mine = max(0, start - first), min(count, stop - first)
        if mine[0] < mine[1]:
            digest = hashlib.sha256(f"{shard.digest} {mine}".encode()).hexdigest()
            wanted.append(shard._replace(first=first, rows=mine, digest=digest))
        first += count
    return wanted


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
    if settings.dataset:
        return "torchvision"
    if settings.format != "auto":
        return "tar" if settings.format == "webdataset" else settings.format
    path = settings.path.rstrip("/")
    if path.endswith(".parquet"):
        return "parquet"
    if path.endswith(".tar"):
        return "tar"
    if ".tfrecord" in path.rpartition("/")[2]:
        return "tfrecord"
    if fs.isdir(path):
        return "folder"
    if fs.exists(path):
        raise SourceError(f"{settings.path}: neither *.tar, *.parquet nor a folder; set `format`")
    raise SourceError(f"{settings.path}: nothing there{_beside_it(fs, path)}")


def _beside_it(fs: Any, path: str) -> str:
    """What is there where a path is not: perhaps another split."""
    try:
        there = sorted(p.rpartition("/")[2] for p in fs.ls(fs._parent(path), detail=False))
    except OSError:
        return ""
    return f"; beside it: {', '.join(there[:5])}" if there else ""


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


def _beside(shard: Shard, listing: _Listing) -> Shard:
    """A tar, and the Parquet that img2dataset writes beside it when there is one: it lists what was not fetched too."""
    beside = listing.match(shard.files[0].removesuffix(".tar") + ".parquet")
    digest = hashlib.sha256("".join([shard.digest, *beside.values()]).encode()).hexdigest()
    return shard._replace(files=(*shard.files, *beside), digest=digest)
