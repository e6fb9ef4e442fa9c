"""URLs: what a download begins with, cut from the lists into the slices that shards are made from."""

from __future__ import annotations

import csv
import io
import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import IO, Any, BinaryIO, Literal, NamedTuple, cast

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.core import has_magic, url_to_fs
from pydantic import Field

from curate.config import Settings
from curate.contracts import contract
from curate.errors import SourceError
from curate.ops.parquet import batches

VERSION = 1

Format = Literal["txt", "txt.gz", "csv", "csv.gz", "tsv", "tsv.gz", "json", "json.gz", "jsonl", "jsonl.gz", "parquet"]
FORMATS: tuple[str, ...] = Format.__args__  # type: ignore[attr-defined]
_SHARD_DIGITS = 5
_BATCH = 10_000


class UrlsSettings(Settings):
    """Which URLs are downloaded. Names and formats are img2dataset's."""

    url_list: str | tuple[str, ...] = Field(description="list file, folder, glob or several; local or fsspec URL")
    input_format: Format | Literal["auto"] = Field("auto", description="`auto`: by the files' extension")
    url_col: str = Field("url", min_length=1, description="column of the URL")
    caption_col: str | None = Field(None, description="column of the text that goes with it, if any")
    number_sample_per_shard: int = Field(10_000, ge=1, le=1_000_000, description="rows of a slice, at most")


class Slice(NamedTuple):
    """What one shard is downloaded from: its name, and a table of contract `urls`."""

    name: str
    table: pa.Table


def slices(settings: UrlsSettings) -> Iterator[Slice]:
    """Cut the lists into slices, in order; a slice never spans two files, numbers and keys run on, as img2dataset's do.

    Lists are read in batches, so memory holds one slice (but a `json` list is one value, and is read whole).
    """
    shard = 0
    for file in list_files(settings):
        for table in _recut(_read(file, settings), settings.number_sample_per_shard):
            yield Slice(f"{shard:0{_SHARD_DIGITS}d}", _with_keys(table, shard, settings.number_sample_per_shard))
            shard += 1


def list_files(settings: UrlsSettings) -> list[str]:
    """The list files that `url_list` stands for, sorted; SourceError when there are none."""
    wanted = [settings.url_list] if isinstance(settings.url_list, str) else settings.url_list
    return sorted({file for place in wanted for file in _files_at(place, settings)})


def _files_at(place: str, settings: UrlsSettings) -> list[str]:
    try:
        fs, path = url_to_fs(place)
        if fs.isdir(path):
            endings = FORMATS if settings.input_format == "auto" else (settings.input_format,)
            found = [f for f in fs.ls(path, detail=False) if any(f.endswith("." + e) for e in endings)]
        elif has_magic(path) and not fs.exists(path):
            found = [f for f in fs.glob(path) if not fs.isdir(f)]
        else:
            found = [path] if fs.exists(path) else []
    except (OSError, ValueError, ImportError) as error:
        raise SourceError(f"{place}: cannot be listed: {error}") from None
    if not found:
        raise SourceError(f"{place}: no such URL list; `url_list` is a file, a folder of lists, or a glob")
    local = fs.protocol == "file" or "file" in fs.protocol
    return [f if local else fs.unstrip_protocol(f) for f in found]


def _with_keys(table: pa.Table, shard: int, per_shard: int) -> pa.Table:
    """Add the keys: shard number, then the position in the digits `per_shard` needs (img2dataset's compute_key)."""
    digits = math.ceil(math.log10(per_shard))
    first = 10**digits * shard
    keys = [f"{first + i:0{_SHARD_DIGITS + digits}d}" for i in range(table.num_rows)]
    columns = {"key": keys, "url": pc.fill_null(table["url"], ""), "caption": table["caption"]}
    return contract("urls").table(columns)


def _recut(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """Cut a stream of tables anew into tables of `size` rows, the last one shorter."""
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        while rows >= size:
            whole = pa.concat_tables(held)
            yield whole.slice(0, size)
            held, rows = [whole.slice(size)], rows - size
    if rows:
        yield pa.concat_tables(held)


# -- reading: every reader gives tables with the columns `url` and `caption`, both strings ----------------------------


def _read(file: str, settings: UrlsSettings) -> Iterator[pa.Table]:
    kind = settings.input_format if settings.input_format != "auto" else _by_extension(file)
    compression = "gzip" if kind.endswith(".gz") else None
    try:
        with fsspec.open(file, "rb", compression=compression) as data:
            for batch in _READERS[kind.removesuffix(".gz")](data, file, settings):
                yield _as_strings(batch, settings)
    except FileNotFoundError:
        raise SourceError(f"{file}: no such file") from None
    except (OSError, EOFError, ValueError, TypeError, zlib.error, csv.Error, pa.ArrowException) as error:
        raise SourceError(f"{file}: cannot be read as {kind}: {error}") from None


def _by_extension(file: str) -> str:
    for kind in sorted(FORMATS, key=len, reverse=True):
        if file.lower().endswith("." + kind):
            return kind
    raise SourceError(f"{file}: its extension is none of {', '.join(FORMATS)}; say `input_format`")


def _wanted(settings: UrlsSettings) -> list[str]:
    """The columns to read: url and, if any, caption (once when both are the same)."""
    names = [settings.url_col] + ([settings.caption_col] if settings.caption_col else [])
    return list(dict.fromkeys(names))


def _need(columns: Iterable[str], file: str, settings: UrlsSettings) -> None:
    there = list(columns)
    missing = [name for name in _wanted(settings) if name not in there]
    if missing:
        raise SourceError(
            f"{file}: no column {' and '.join(f'`{name}`' for name in missing)}; it has {', '.join(there) or 'none'}. "
            "Say `url_col` and `caption_col`"
        )


def _as_strings(batch: pa.Table, settings: UrlsSettings) -> pa.Table:
    url = batch[settings.url_col].cast(pa.string())
    caption = batch[settings.caption_col].cast(pa.string()) if settings.caption_col in batch.column_names else None
    return pa.table({"url": url, "caption": caption if caption is not None else pa.nulls(len(url), pa.string())})


def _read_parquet(data: IO[bytes], file: str, settings: UrlsSettings) -> Iterator[pa.Table]:
    table = pq.ParquetFile(data)
    _need(table.schema_arrow.names, file, settings)
    for batch in batches(table, _BATCH, _wanted(settings)):
        yield pa.Table.from_batches([batch])


def _read_csv(data: IO[bytes], file: str, settings: UrlsSettings, delimiter: str = ",") -> Iterator[pa.Table]:
    """With Python's own reader: Arrow's reads ahead on threads that outlive it (`curate.ops.parquet` says more)."""
    with io.TextIOWrapper(cast(BinaryIO, data), "utf-8-sig", newline="") as text:
        lines = csv.reader(text, delimiter=delimiter, strict=True)
        names = next(lines, None)
        if names is None:
            raise ValueError("it is empty")
        _need(names, file, settings)
        yield from _from_rows(_rows(lines, names), settings)


def _rows(lines: Iterator[list[str]], names: list[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if len(line) not in (0, len(names)):  # 0: an empty line
            raise ValueError(f"row {number} has {len(line)} columns, the head has {len(names)}")
        if line:
            yield dict(zip(names, line, strict=True))


def _read_tsv(data: IO[bytes], file: str, settings: UrlsSettings) -> Iterator[pa.Table]:
    return _read_csv(data, file, settings, "\t")


def _read_txt(data: IO[bytes], file: str, settings: UrlsSettings) -> Iterator[pa.Table]:
    if settings.caption_col:
        raise SourceError(f"{file}: a txt list has no captions; leave `caption_col` out or use another format")
    lines = (line.decode("utf-8").strip("\ufeff \t\r\n") for line in data)  # \ufeff: the mark that Windows puts first
    rows = ({settings.url_col: line} for line in lines if line)
    return _from_rows(rows, settings)


def _read_jsonl(data: IO[bytes], file: str, settings: UrlsSettings) -> Iterator[pa.Table]:
    rows = (json.loads(line) for line in data if line.strip())
    return _from_rows(_checked(rows, file, settings), settings)


def _read_json(data: IO[bytes], file: str, settings: UrlsSettings) -> Iterator[pa.Table]:
    """A list of records, or columns by name (each a list, or values by row label), as pandas writes them."""
    value = json.load(data)
    if isinstance(value, dict):
        _need(value, file, settings)
        named = {n: list(c.values()) if isinstance(c, dict) else c for n, c in value.items() if n in _wanted(settings)}
        value = [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]
    return _from_rows(_checked(iter(value), file, settings), settings)


def _checked(rows: Iterator[Any], file: str, settings: UrlsSettings) -> Iterator[dict[str, Any]]:
    """Pass records on; the first must have the columns (in later ones a missing value is null)."""
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise SourceError(f"{file}: row {number} is no JSON object but {str(row)[:100]}")
        if not number:
            _need(row, file, settings)
        yield row


def _from_rows(rows: Iterator[dict[str, Any]], settings: UrlsSettings) -> Iterator[pa.Table]:
    while batch := list(islice(rows, _BATCH)):
        yield pa.table({name: pa.array([row.get(name) for row in batch], pa.string()) for name in _wanted(settings)})


_READERS: dict[str, Callable[[IO[bytes], str, UrlsSettings], Iterator[pa.Table]]] = {
    "txt": _read_txt,
    "csv": _read_csv,
    "tsv": _read_tsv,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
}
