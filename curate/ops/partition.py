"""Near descriptors among many, without comparing all: k-means cells, of which a row asks the nearest few.

Descriptors of unit length are rounded to whole numbers of 1/127. Products of such are whole numbers below 2**24, which
float32 holds, so that the cells of a row and the order of its neighbours depend on neither the processor nor on what is
searched beside it. A row stands in the cell of the nearest centre, and asks the `probes` cells of the nearest centres:
what is near it but stands elsewhere is lost, which `lost` measures.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.ops.nearest import NONE, Near, Ranks, sorted_pairs

ONE_CELL = 10_000
"""Up to so many rows there is one cell, and nothing is lost."""
_CELLS, _POINTS, _ROUNDS = 4, 32, 8
"""Cells in units of the root of the rows; rows a cell and rounds of k-means to find their centres."""
_UNIT = 127

Whole = NDArray[np.int8]


def whole(vectors: NDArray[np.floating[Any]]) -> Whole:
    """Vectors at unit length in whole numbers of 1/127: (N, D) -> (N, D) int8; zeros for those without a direction."""
    wide = vectors.astype(np.float64)
    length = np.sqrt(np.einsum("nd,nd->n", wide, wide))[:, None]
    sound = np.isfinite(length) & (length > 0)
    units = np.divide(wide, length, out=np.zeros_like(wide), where=sound)
    rounded: Whole = np.rint(units * _UNIT).astype(np.int8)
    return rounded


def cell_count(rows: int) -> int:
    """How many cells there should be for so many rows."""
    return 1 if rows <= ONE_CELL else round(_CELLS * sqrt(rows))


def sample_size(rows: int) -> int:
    """How many rows the centres are found with."""
    return min(rows, cell_count(rows) * _POINTS)


def centres(sample: Whole, cells: int) -> Whole:
    """The centres of so many cells, (C, D): k-means on the sample, from a fixed seed; one cell has no centre but 0."""
    if cells == 1 or len(sample) <= cells:
        return np.zeros((1, sample.shape[1]), np.int8)
    import faiss

    how = {"niter": _ROUNDS, "seed": 256, "spherical": True, "min_points_per_centroid": 1}
    means = faiss.Kmeans(sample.shape[1], cells, max_points_per_centroid=len(sample), **how)
    means.train(sample.astype(np.float32))
    return whole(np.asarray(means.centroids, np.float32))


class Cells:
    """The partition: which cells the rows ask, the nearest first."""

    def __init__(self, centre: Whole, probes: int) -> None:
        import faiss

        self.count, self.dims = centre.shape
        self._probes = min(probes, self.count)
        self._index = faiss.IndexFlatIP(self.dims)
        self._index.add(centre.astype(np.float32))

    def asked(self, rows: Whole) -> NDArray[np.int64]:
        """(N, D) -> (N, P) cells; the first is the one that the row stands in."""
        far, cells = self._index.search(rows.astype(np.float32), self._probes)
        order = np.lexsort((cells, -far), axis=1)  # of equally near ones the first
        nearest: NDArray[np.int64] = np.take_along_axis(cells, order, axis=1)
        return nearest

    def searched(self) -> Any:
        """An empty index of the rows in each cell."""
        import faiss

        how = faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT, False
        index = faiss.IndexIVFScalarQuantizer(self._index, self.dims, self.count, *how)
        index.is_trained, index.nprobe = True, self._probes
        return index


class _Block(NamedTuple):
    rows: Ranks
    whole: Whole
    asked: NDArray[np.int64]


class CellSearch:
    """The nearest of the descriptors kept so far in the cells asked; see `curate.ops.nearest.Search`.

    `far` is minus the product of the whole numbers; at `least`, a cosine, what is near is left to who asked.
    """

    def __init__(self, vectors: NDArray[np.float16], at: Ranks, cells: Cells, least: float, most: int) -> None:
        """`vectors`, (V, D), and where those of rank 0, 1, ... stand in them, (R,); -1 for rows without."""
        self.most = most
        self._vectors, self._at, self._cells = vectors, at, cells
        self._least = least_product(least, vectors.shape[1])
        self._index: Any = None
        self._kept, self._home = np.empty(len(at), np.int64), np.empty(len(at), np.int32)
        self._count = 0

    def begin(self, rows: Ranks) -> None:
        rows = rows[self._at[rows] >= 0]
        told = whole(self._vectors[self._at[rows]])
        self._block = _Block(rows, told, self._cells.asked(told) if len(rows) else np.empty((0, 1), np.int64))

    def kept(self) -> Near:
        rows, told, asked = self._block
        if not self._count or not len(rows):
            return NONE
        wide = self.most + 1
        like, found = self._index.search_preassigned(told.astype(np.float32), wide, asked, np.zeros(asked.shape, "f4"))
        tied = (found[:, -1] >= 0) & (like[:, -1] == like[:, -2]) & (like[:, -1] >= self._least)
        near = (found >= 0) & (like >= self._least) & ~tied[:, None]
        near[:, -1] = False
        row, place = np.nonzero(near)
        pairs = [(rows[row], self._kept[found[row, place]], -like[row, place])]
        pairs += [self._exactly(i) for i in np.flatnonzero(tied).tolist()]
        row, other, far = (np.concatenate(column) for column in zip(*pairs, strict=True))
        return sorted_pairs(row, other, far.astype(np.int32))

    def _exactly(self, i: int) -> tuple[Ranks, Ranks, NDArray[Any]]:
        """The nearest of the block's row number `i`, one by one: FAISS gives any of several that are equally near."""
        rows, told, asked = self._block
        there = np.flatnonzero(np.isin(self._home[: self._count], asked[i]))
        others = self._kept[there]
        like = whole(self._vectors[self._at[others]]).astype(np.int32) @ told[i].astype(np.int32)
        nearest = np.lexsort((others, -like))[: self.most]
        nearest = nearest[like[nearest] >= self._least]
        return np.full(len(nearest), rows[i]), others[nearest], -like[nearest]

    def among(self) -> Near:
        rows, told, asked = self._block
        wide = told.astype(np.float32)
        like = np.tril(wide @ wide.T, -1)
        row, other = np.nonzero(np.tril(like >= self._least, -1))
        shares = (asked[row] == asked[other, :1]).any(axis=1)
        row, other = row[shares], other[shares]
        return Near(rows[row], rows[other], -like[row, other].astype(np.int32))

    def keep(self, rows: Ranks) -> None:
        import faiss

        mine = np.isin(self._block.rows, rows)
        count = int(mine.sum())
        if not count:
            return
        if self._index is None:
            self._index = self._cells.searched()
        told, home = self._block.whole[mine].astype(np.float32), np.ascontiguousarray(self._block.asked[mine, 0])
        self._index.add_core(count, faiss.swig_ptr(told), None, faiss.swig_ptr(home))
        new = slice(self._count, self._count + count)
        self._kept[new], self._home[new] = self._block.rows[mine], home
        self._count += count


def least_product(cosine: float, dims: int) -> float:
    """The least product that two rounded vectors of this cosine can have: each is off by half of 1/127 in every one of
    its dimensions.
    """
    off = sqrt(dims) / 2 / _UNIT
    return (cosine - 2 * off - off * off) * _UNIT**2
