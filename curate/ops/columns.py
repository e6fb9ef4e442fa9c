"""Arrow columns of fixed-size bytes as numpy matrices, without a copy where there are no nulls."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def matrix(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """A `binary[W]` column of N rows: (N, W) uint8, zeros where null."""
    width = column.type.byte_width
    array = column.combine_chunks()
    if array.null_count:
        array = array.fill_null(bytes(width))
    if not len(array):
        return np.empty((0, width), np.uint8)
    flat = np.frombuffer(array.buffers()[1], np.uint8, len(array) * width, array.offset * width)
    return flat.reshape(len(array), width)


def present(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The rows of a `binary[W]` column that are not null, and their values: (R,) int64 and (R, W) uint8."""
    rows = np.flatnonzero(column.is_valid().to_numpy())
    return rows, matrix(column.drop_null()).copy()


def vectors(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """The rows of a `list<float16>` column that are not null, and their values: (R,) int64 and (R, D) float16.

    All lists are of one length; ValueError if not.
    """
    rows = np.flatnonzero(column.is_valid().to_numpy())
    if not len(rows):
        return rows, np.empty((0, 0), np.float16)
    values = column.combine_chunks().drop_null().flatten().to_numpy(zero_copy_only=False)
    if len(pc.list_value_length(column).drop_null().unique()) > 1:
        raise ValueError("embeddings of several lengths in one column; were they made by different models?")
    return rows, values.reshape(len(rows), -1)
