"""Parquet: written in row groups, of which who wants some rows reads few; read on the caller's own thread.

`pyarrow.parquet.read_table` and every threaded reader of Arrow hand the file object, here one of Python's, to threads
that may outlive the call. One that lets go of it while the interpreter ends aborts the process: a command that did its
work then exits with SIGABRT (apache/arrow issues 36389 and 50482; seen in 18 of 100 runs that read twelve small files).
Measured with pyarrow 26: read as here, none of 450.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


class Where(NamedTuple):
    """Rows whose column has a value from `first` to `last`, both in."""

    column: str
    first: Any
    last: Any


def read(file: IO[bytes] | Path, columns: list[str] | None = None, where: Where | None = None) -> pa.Table:
    """Read a file, or some columns, or some rows; pa.ArrowException.

    Row groups whose statistics rule the value out are not read: of a sorted file, little more than the rows wanted.
    """
    parquet = pq.ParquetFile(file)
    if where is None:
        return parquet.read(columns, use_threads=False)
    read = columns and list(dict.fromkeys([*columns, where.column]))
    table = parquet.read_row_groups(_groups(parquet.metadata, where), read, use_threads=False)
    value = table[where.column]
    table = table.filter(pc.and_(pc.greater_equal(value, where.first), pc.less_equal(value, where.last)))
    return table.select(columns) if columns else table


def ranges(file: IO[bytes] | Path, column: str) -> list[tuple[Any, Any]]:
    """The least and the greatest value of a column in every row group that has rows; pa.ArrowException."""
    told = _statistics(pq.read_metadata(file), column)
    return [(s.min, s.max) for s in told if s is not None and s.has_min_max]


def write(table: pa.Table, file: IO[bytes], rows: int, cut: str = "") -> None:
    """Write a file in row groups of so many rows; where the column `cut` changes its value another begins.

    Digests, hashes, pictures and vectors repeat no value: a dictionary of them is tried in vain, and costs a quarter.
    """
    repeating = [field.name for field in table.schema if not _is_bulk(field.type)]
    with pq.ParquetWriter(file, table.schema, compression="zstd", use_dictionary=repeating) as out:
        for start, stop in pairwise(_cuts(table, cut)):
            out.write_table(table.slice(start, stop - start), row_group_size=rows)


def _is_bulk(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _cuts(table: pa.Table, cut: str) -> list[int]:
    """Where the values of a column change, and both ends."""
    if not cut:
        return [0, len(table)]
    values = table[cut].to_numpy()
    return [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(table)]


def batches(parquet: pq.ParquetFile, rows: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a file in batches of so many rows, one after another; pa.ArrowException."""
    yield from parquet.iter_batches(rows, columns=columns, use_threads=False)


def _groups(metadata: pq.FileMetaData, where: Where) -> list[int]:
    """The row groups that may hold such rows."""
    told = enumerate(_statistics(metadata, where.column))
    return [i for i, s in told if s is None or not s.has_min_max or (s.min <= where.last and where.first <= s.max)]


def _statistics(metadata: pq.FileMetaData, name: str) -> list[Any]:
    """What is told of a column, a row group."""
    column = metadata.schema.names.index(name)
    return [metadata.row_group(i).column(column).statistics for i in range(metadata.num_row_groups)]
