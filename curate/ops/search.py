"""Near neighbours among 256-bit hashes: exact, by FAISS."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pairs(NamedTuple):
    """Pairs found: rows of queries, rows of references, Hamming distances in bits; (P,) each, sorted by the rows."""

    query: NDArray[np.int64]
    reference: NDArray[np.int64]
    distance: NDArray[np.int32]


class HammingIndex:
    """All references within a radius of each query: exact, (R, 32) uint8 against (N, 32) uint8."""

    def __init__(self, references: NDArray[np.uint8]) -> None:
        import faiss  # heavy, and not on every machine: only where hashes are searched

        self._index = faiss.IndexBinaryFlat(references.shape[1] * 8)
        self._index.add(np.ascontiguousarray(references))

    def within(self, queries: NDArray[np.uint8], radius: int) -> Pairs:
        """Pairs at `radius` bits or less."""
        if not len(queries) or not self._index.ntotal:
            return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int32))
        ends, distances, found = self._index.range_search(np.ascontiguousarray(queries), radius + 1)  # FAISS: less than
        query = np.repeat(np.arange(len(queries)), np.diff(ends.astype(np.int64)))
        order = np.lexsort((found, query))
        return Pairs(query[order], found[order].astype(np.int64), distances[order].astype(np.int32))
