"""The digest of a table: what tells one part's rows from another's, on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_BLOCK = 1 << 16
"""Rows digested at once: fixed, since the digest must not depend on the chunks."""


def rows_digest(table: pa.Table) -> str:
    """Digest of a table's names, types and values, whatever its chunks, slices or validity buffers: 64 hex digits."""
    digest = hashlib.sha256()
    digest.update(f"{table.num_rows};{''.join(f'{f.name}:{_kind(f.type)};' for f in table.schema)}".encode())
    for start in range(0, table.num_rows, _BLOCK):
        block = table.slice(start, _BLOCK).combine_chunks()
        for column in block.columns:
            for array in column.chunks:
                for piece in _content(array):
                    digest.update(piece)
    return digest.hexdigest()


def _kind(kind: pa.DataType) -> str:
    """The type's name; Parquet gives the items of lists another name than Arrow does."""
    return f"list<{_kind(kind.value_type)}>" if pa.types.is_list(kind) else str(kind)


def _content(array: pa.Array) -> Iterator[Any]:
    """The bytes that make up an array: which rows are null, the lengths where they vary, the values not null."""
    yield pc.is_valid(array).cast(pa.uint8()).to_numpy(zero_copy_only=False)
    values, kind = array.drop_null(), array.type
    if pa.types.is_list(kind):
        yield pc.list_value_length(values).to_numpy(zero_copy_only=False)
        yield from _content(values.flatten())
    elif pa.types.is_primitive(kind) and not pa.types.is_boolean(kind):
        yield np.ascontiguousarray(values.to_numpy(zero_copy_only=False))
    elif pa.types.is_boolean(kind):
        yield values.cast(pa.uint8()).to_numpy(zero_copy_only=False)
    else:  # strings and bytes
        yield pc.binary_length(values).to_numpy(zero_copy_only=False)
        yield b"".join(values.cast(pa.large_binary()).to_pylist())
