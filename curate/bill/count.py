"""How many samples and benchmark images a run will meet, counted from what its run file names, and how sure that is."""

from __future__ import annotations

import zlib
from math import ceil
from typing import Any, NamedTuple

import fsspec
import pyarrow.parquet as pq

from curate import sources
from curate.benchmarks import known, members
from curate.errors import SourceError
from curate.runfile import RunFile
from curate.sources import SourceSettings
from curate.stages import urls
from curate.stages.urls import UrlsSettings
from curate.store import Store

PER_SHARD = 10_000
"""Samples a shard where nothing says otherwise."""
_SAMPLED = 3
"""Shards or lists that are opened."""
_WHOLE = 64 << 20
"""URL lists of so many bytes together are counted whole."""
_HEAD = 4 << 20
"""Of longer ones so many bytes are."""


class Count(NamedTuple):
    """How many there are, in how many shards; the bytes of one in a tar, None where none was read; how it was told."""

    number: int
    shards: int
    sample_bytes: float | None
    how: str


def samples(run: RunFile, asked: int | None) -> Count:
    """The input samples of a run: as `asked`, else as its finished datasets tell, else from its lists or shards."""
    per_shard = run.urls.number_sample_per_shard if run.urls else PER_SHARD
    if asked is not None:
        return Count(asked, ceil(asked / per_shard), None, "as asked")
    for name in ("urls", "signatures") if run.urls else ("signatures",):
        if manifest := Store(run.out).read_json(name, "manifest.json"):
            return Count(manifest["count"], len(manifest["parts"]), None, f"exact: the run's `{name}`")
    return _listed(run.urls) if run.urls else _sampled(run.corpus or SourceSettings(path=""))


def images(run: RunFile, asked: int | None) -> Count:
    """The benchmarks' images: as `asked`, else as is known of each by name, else counted or sampled."""
    if asked is not None:
        return Count(asked, max(1, ceil(asked / PER_SHARD)), None, "as asked")
    counts = [_of_benchmark(name, where) for name, where in run.benchmarks.items()]
    sizes = [(c.number, c.sample_bytes) for c in counts if c.sample_bytes]
    size = sum(n * b for n, b in sizes) / sum(n for n, _ in sizes) if sizes else None
    how = "; ".join(sorted({c.how for c in counts})) or "no benchmarks"
    return Count(sum(c.number for c in counts), sum(c.shards for c in counts), size, how)


def _of_benchmark(name: str, where: SourceSettings) -> Count:
    stem = members(name)
    preset = known().get(stem[0]) if len(stem) == 1 else None
    if preset:
        return Count(preset.images, ceil(preset.images / PER_SHARD), None, "known by name")
    return _sampled(where)


def _sampled(where: SourceSettings) -> Count:
    """Read some shards, the first, the last and one between, and take the others to be like them."""
    shards = sources.find(where)
    chosen = {min(len(shards) - 1, i * len(shards) // (_SAMPLED - 1)) for i in range(_SAMPLED)}
    seen = [_shard(shards[i]) for i in sorted(chosen)]
    number = round(sum(n for n, _ in seen) / len(seen) * len(shards))
    size = sum(size for _, size in seen) / max(1, sum(n for n, _ in seen)) or None
    if len(seen) == len(shards):
        return Count(number, len(shards), size, f"exact: all {len(shards)} shards read")
    spread = f"{min(n for n, _ in seen):,} to {max(n for n, _ in seen):,} samples"
    return Count(number, len(shards), size, f"{len(seen)} of {len(shards):,} shards read, {spread} each")


def _shard(shard: sources.Shard) -> tuple[int, int]:
    """Samples of a shard, and their bytes as a tar holds them."""
    number = size = 0
    for sample in sources.read(shard):
        number += 1
        size += sum(512 + ceil(len(data) / 512) * 512 for _, data in sample.members)
    return number, size


def _listed(settings: UrlsSettings) -> Count:
    """Rows of URL lists: Parquet tells them, short lists are counted, of long ones the beginning tells the rest."""
    files, size = urls.list_files(settings), settings.number_sample_per_shard
    sizes = [_size(file) for file in files]
    parquet = settings.input_format == "parquet" or all(file.endswith(".parquet") for file in files)
    if not parquet and sum(sizes) <= _WHOLE:
        rows = [piece.table.num_rows for piece in urls.slices(settings)]
        return Count(sum(rows), len(rows), None, "exact: the lists' rows")
    chosen = files if parquet and len(files) <= 100 * _SAMPLED else files[:_SAMPLED]
    told = sum(_rows(file, parquet) for file in chosen)
    rows_all = round(told * sum(sizes) / max(1, sum(sizes[: len(chosen)])))
    sure = "exact: the lists' footers" if parquet and len(chosen) == len(files) else _estimated(chosen, files, parquet)
    return Count(rows_all, max(len(files), ceil(rows_all / size)), None, sure)


def _estimated(chosen: list[str], files: list[str], parquet: bool) -> str:
    what = "footers" if parquet else "beginnings"
    return f"estimated from the {what} of {len(chosen)} of {len(files):,} lists and the sizes of all"


def _size(file: str) -> int:
    fs, path = fsspec.core.url_to_fs(file)
    return int(fs.size(path))


def _rows(file: str, parquet: bool) -> float:
    """Rows of one list; of a list of lines, its beginning's lines a byte times its size."""
    with fsspec.open(file, "rb") as opened:
        if parquet:
            return int(pq.read_metadata(opened).num_rows)
        head = opened.read(_HEAD)
    lines = _text(file, head).count(b"\n")
    if not lines:
        raise SourceError(f"{file}: no line ends in its first {_HEAD >> 20} MiB; say how many with --samples")
    return lines * _size(file) / max(1, len(head))


def _text(file: str, head: Any) -> bytes:
    return zlib.decompressobj(31).decompress(head) if file.endswith(".gz") else bytes(head)
