"""Near neighbours: all of them, whichever engine looks. Hashes by bits that differ, vectors by their cosine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.ops import flat
from curate.ops.hashing import hamming
from curate.ops.nearest import places

QUERIES = 4096
"""Queries that are searched at a time."""
VALUES = 1 << 17
"""Values that are float64 at a time: 1 MiB, which a processor's cache holds."""

_RANKED, _MEMBERS = 1024, 4
"""Queries that are ranked at a time; near references looked at first, in units of the groups that are asked for."""

Scored = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]


class Pairs(NamedTuple):
    """Pairs found: rows of queries, rows of references, Hamming distances in bits; (P,) each, sorted by the rows."""

    query: NDArray[np.int64]
    reference: NDArray[np.int64]
    distance: NDArray[np.int32]


class CosinePairs(NamedTuple):
    """Pairs found: rows of queries, rows of references, cosines from -1 to 1; (P,) each, sorted by the rows."""

    query: NDArray[np.int64]
    reference: NDArray[np.int64]
    cosine: NDArray[np.float32]


class HammingIndex:
    """All references within a radius of each query: exact, (R, B) uint8 against (N, B) uint8."""

    def __init__(self, references: NDArray[np.uint8], engine: str = "auto") -> None:
        """`engine`: faiss, faiss-gpu, torch (on a GPU where there is one), or auto: the fastest that is there."""
        self._references = np.ascontiguousarray(_checked(references, "uint8"))
        self._engine = flat.engine(engine, self._references)

    def within(self, queries: NDArray[np.uint8], radius: int) -> Pairs:
        """Pairs at `radius` bits or less."""
        _checked(queries, "uint8", width=self._references.shape[1])
        return Pairs(*_sorted(self._scored(queries, radius), np.dtype(np.int32)))

    def _scored(self, queries: NDArray[np.uint8], radius: int) -> Iterator[Scored]:
        for start in range(0, len(queries) if len(self._references) else 0, QUERIES):
            block = np.ascontiguousarray(queries[start : start + QUERIES])
            query, reference = self._engine.near(block, radius)
            distance = np.empty(len(query), np.int32)
            for part in _parts(len(query), block.shape[1]):
                distance[part] = hamming(block[query[part]], self._references[reference[part]])
            yield start + query, reference, distance


class CosineIndex:
    """All references near enough to each query: exact, (R, D) against (N, D), float16 or float32 of any length.

    The cosine is that of the vectors as they were given: sums in float64, rounded to float32 at the end, so that it
    depends on neither the engine nor the processor. A vector that is zero or not finite is near to none.
    """

    def __init__(self, references: NDArray[np.floating[Any]], engine: str = "auto") -> None:
        """`engine`: faiss, faiss-gpu, torch (on a GPU where there is one), or auto: the fastest that is there."""
        self._references = _Vectors(_checked(references, "float16", "float32"))
        self._engine = flat.engine(engine, self._references.units())

    def within(self, queries: NDArray[np.floating[Any]], least: float) -> CosinePairs:
        """Pairs with a cosine of `least` or more, both in float32."""
        _checked(queries, "float16", "float32", width=self._references.given.shape[1])
        return CosinePairs(*_sorted(self._scored(queries, least), np.dtype(np.float32)))

    def nearest(
        self, queries: NDArray[np.floating[Any]], group: NDArray[np.int64], most: int, least: float
    ) -> CosinePairs:
        """Of each query the `most` groups with the nearest members, and that member of each, at `least` or more.

        `group`, (N,), says which group each reference is of. Sorted by query, then the nearest; the lesser row of
        references wins ties.
        """
        _checked(queries, "float16", "float32", width=self._references.given.shape[1])
        found = [CosinePairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
        for start in range(0, len(queries), _RANKED):
            block = _Vectors(queries[start : start + _RANKED])
            if len(block.rows) and len(self._references.rows) and most:
                query, reference, cosine = self._ranked(block, group[self._references.rows], most, least)
                found.append(CosinePairs(start + block.rows[query], self._references.rows[reference], cosine))
        pairs = CosinePairs(*(np.concatenate(column) for column in zip(*found, strict=True)))
        return _only(pairs, np.argsort(pairs.query, kind="stable"))

    def _ranked(self, block: _Vectors, group: NDArray[np.int64], most: int, least: float) -> CosinePairs:
        """More and more neighbours of each query, until what is beyond them cannot be among the `most` groups."""
        left, wide, units = np.arange(len(block.rows)), min(_MEMBERS * most, len(group)), block.units()
        done = []
        while len(left):
            products, reference, off = self._engine.top(units[left], wide)
            query, place = _contenders(products, group[reference], least, off)
            mine, its = left[query], reference[query, place]
            cosine = block.cosines(mine, self._references, its)
            pairs = _first_of_groups(CosinePairs(mine, its, cosine), group, most, least)
            last = np.full(len(block.rows), least, np.float32)  # of queries with fewer groups all must be seen
            number = places(pairs.query)
            last[pairs.query[number == most - 1]] = pairs.cosine[number == most - 1]
            more = (products[:, -1] + off >= last[left]) & (wide < len(group))
            done.append(_only(pairs, ~np.isin(pairs.query, left[more])))
            left, wide = left[more], min(4 * wide, len(group))
        return CosinePairs(*(np.concatenate(column) for column in zip(*done, strict=True)))

    def _scored(self, queries: NDArray[np.floating[Any]], least: float) -> Iterator[Scored]:
        for start in range(0, len(queries), QUERIES):
            block = _Vectors(queries[start : start + QUERIES])
            if len(block.rows) and len(self._references.rows):
                query, reference = self._engine.near(block.units(), least)
                cosine = block.cosines(query, self._references, reference)
                near = np.flatnonzero(cosine >= np.float32(least))
                yield start + block.rows[query[near]], self._references.rows[reference[near]], cosine[near]


class _Vectors:
    """Those of given vectors (N, D) that have a direction: their rows, values, squared lengths."""

    def __init__(self, given: NDArray[np.floating[Any]]) -> None:
        squares = np.empty(len(given))
        for part in _parts(*given.shape):
            squares[part] = _dots(given[part], given[part])
        self.rows = np.flatnonzero(np.isfinite(squares) & (squares > 0))
        self.given, self.squares = given[self.rows], squares[self.rows]

    def units(self) -> NDArray[np.float32]:
        """The vectors at length 1: (R, D)."""
        units = np.empty(self.given.shape, np.float32)
        for part in _parts(*self.given.shape):
            units[part] = self.given[part] / np.sqrt(self.squares[part][:, None])
        return units

    def cosines(self, mine: NDArray[np.int64], other: _Vectors, its: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines of vectors of this and vectors of the other, pair by pair: (P,) and (P,) rows -> (P,)."""
        cosines = np.empty(len(mine), np.float32)
        for part in _parts(len(mine), self.given.shape[1]):
            a, b = mine[part], its[part]
            # one root of both squares: of a vector and itself it is exact, and the cosine 1
            cosines[part] = _dots(self.given[a], other.given[b]) / np.sqrt(self.squares[a] * other.squares[b])
        return cosines


def _contenders(
    products: NDArray[np.float32], group: NDArray[np.int64], least: float, off: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Queries and places, (P,), that may be the nearest of their group, of products (Q, K), the largest first.

    A product is `off` by so much at the most. Most cannot be the nearest, and exact cosines cost more than this.
    """
    query, place = np.nonzero(products >= least - off)
    product = products[query, place]
    name = query * (group.max() + 1) + group[query, place]
    _, first, its = np.unique(name, return_index=True, return_inverse=True)
    near = product >= product[first[its]] - 2 * off
    return query[near], place[near]


def _first_of_groups(pairs: CosinePairs, group: NDArray[np.int64], most: int, least: float) -> CosinePairs:
    """Of each query, the nearest member of each of the `most` nearest groups: sorted by query, then the nearest."""
    order = np.lexsort((pairs.reference, -pairs.cosine, pairs.query))
    pairs = _only(pairs, order[pairs.cosine[order] >= np.float32(least)])
    name = pairs.query * (group.max() + 1) + group[pairs.reference]
    pairs = _only(pairs, np.sort(np.unique(name, return_index=True)[1]))
    return _only(pairs, places(pairs.query) < most)


def _only(pairs: CosinePairs, which: NDArray[Any]) -> CosinePairs:
    return CosinePairs(pairs.query[which], pairs.reference[which], pairs.cosine[which])


def cosines(a: NDArray[np.floating[Any]], b: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Cosines of vectors, pair by pair: (P, D) and (P, D) -> (P,); -1 of those without a direction."""
    norm = np.sqrt(_dots(a, a) * _dots(b, b))
    sound = np.isfinite(norm) & (norm > 0)
    cosine: NDArray[np.float64] = np.divide(_dots(a, b), norm, out=np.full(len(a), -1.0), where=sound)
    return cosine.astype(np.float32)


def _dots(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Products of vectors, pair by pair: (P, D) and (P, D) -> (P,). Each row is summed alike, whatever is beside it."""
    dots: NDArray[np.float64] = np.einsum("pd,pd->p", a.astype(np.float64), b.astype(np.float64))
    return dots


def _parts(count: int, width: int) -> Iterator[slice]:
    """Cut `count` rows into parts of VALUES values."""
    rows = max(1, VALUES // max(1, width))
    return (slice(start, start + rows) for start in range(0, count, rows))


def _sorted(found: Iterable[Scored], score: np.dtype[Any]) -> Scored:
    """Put together what was found block by block, sorted by query, then reference."""
    ordered = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, score))]
    for query, reference, scores in found:
        order = np.lexsort((reference, query))
        ordered.append((query[order], reference[order], scores[order]))
    query, reference, scores = (np.concatenate(column) for column in zip(*ordered, strict=True))
    return query, reference, scores


def _checked(vectors: NDArray[Any], *kinds: str, width: int | None = None) -> NDArray[Any]:
    """The vectors, if they are what can be searched; ValueError if not."""
    fits = vectors.ndim == 2 and vectors.shape[1] > 0 and vectors.shape[1] == (width or vectors.shape[1])
    if not fits or vectors.dtype.name not in kinds:
        wanted = f"(N, {width or 'D'}) {' or '.join(kinds)}"
        raise ValueError(f"vectors to search are {wanted}, these are {vectors.shape} {vectors.dtype}")
    return vectors
