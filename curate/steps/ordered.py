"""Rows of parts that are sorted by a column, value by value, without holding them all."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from curate.ops.parquet import Where
from curate.store import Dataset


class _Held(NamedTuple):
    """All rows of a part whose column has a value from `first` to `last`."""

    first: Any
    last: Any
    rows: pa.Table


class Ordered:
    """Reads the rows of one value after another. Of each part the row groups asked for last are held, so that whoever
    goes through the values in their order reads each row group once or twice.
    """

    def __init__(self, data: Dataset, column: str) -> None:
        self._data, self._column = data, column
        self._ranges = {part: data.ranges(part, column) for part in data.parts()}
        self._held: dict[str, _Held] = {}

    def rows(self, value: Any) -> pa.Table:
        """The rows whose column has this value, of all parts in the order of their names."""
        found = [self._data.contract.empty()]
        for part, ranges in self._ranges.items():
            first = bisect_left(ranges, value, key=lambda told: told[1])
            stop = bisect_right(ranges, value, key=lambda told: told[0])
            if first < stop:
                held = self._of(part, ranges[first][0], ranges[stop - 1][1])
                found.append(held.filter(pc.equal(held[self._column], value)))
        return pa.concat_tables(found)

    def _of(self, part: str, first: Any, last: Any) -> pa.Table:
        held = self._held.get(part)
        if held is None or first < held.first or held.last < last:
            rows = self._data.read(part, where=Where(self._column, first, last))
            held = self._held[part] = _Held(first, last, rows)
        return held.rows
