"""Arrow columns of fixed-size bytes as numpy matrices, without a copy where there are no nulls."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
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
    return rows, matrix(column)[rows]
