"""The cosine from which on samples are of one meaning, where not it is given but the share that is to stay.

As SemDeDup chooses its eps: of samples, taken by the digests of their names, the largest cosine to any better sample is
found, by comparing all; the cosine that as many of these reach as are to go is the one. What is near dropped ones alone
stays, so that a few more stay than were asked for; equal bytes and near copies go whatever the share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.contracts import contract
from curate.ops.columns import vectors
from curate.ops.partition import Whole, whole
from curate.ops.search import cosines
from curate.stages.duplicates import COLUMNS as NEEDED
from curate.stages.duplicates import DuplicatesSettings, rank

COLUMNS = [name for name in NEEDED if name not in ("thumbnail", "preview")]
_ASKING, _AT_A_TIME = 5000, 1000
"""Samples whose largest cosine is found: the share is then right to half a percent; and those compared at a time."""
_LEAST = 1e-3

Parts = Callable[[], Iterable[pa.Table]]


def find(settings: DuplicatesSettings, parts: Parts) -> float | None:
    """The cosine that all but `settings.semantic_share` of the samples with an embedding reach.

    None where none has an embedding, or no share is asked for.

    `parts` gives the corpus, columns `COLUMNS` of signatures, each time it is called; their order does not matter.
    """
    if settings.semantic_share is None:
        return None
    asking = _asking(parts())
    if not len(asking):
        return None
    mine = vectors(asking["embedding"])[1]
    nearest = _Nearest(np.full(len(mine), -1, np.int64), np.zeros_like(mine))
    for part in parts():
        _look(settings, asking, _searched(part), nearest)
    found = np.where(nearest.product > 0, cosines(mine, nearest.vector), 0)
    most = np.sort(found)[min(len(found) - 1, round(settings.semantic_share * len(found)))]
    return float(np.clip(most, _LEAST, 1))


class _Nearest(NamedTuple):
    """Of each that asks, the largest product of whole numbers with a better one, (Q,), and that one, (Q, D)."""

    product: NDArray[np.int64]
    vector: NDArray[np.float16]


def _searched(part: pa.Table) -> pa.Table:
    """The rows whose meaning is compared: blank pictures have none."""
    return part.filter(pc.and_(pc.is_valid(part["embedding"]), pc.is_valid(part["hash256_whole"])))


def _asking(parts: Iterable[pa.Table]) -> pa.Table:
    """The rows of the smallest digests of their names."""
    schema = contract("signatures").schema
    taken = pa.schema([schema.field(name) for name in COLUMNS]).empty_table()
    for part in parts:
        told = pa.concat_tables([taken, _searched(part)])
        names = zip(told["shard"].to_pylist(), told["key"].to_pylist(), strict=True)
        digests = np.array([hashlib.sha256("\0".join(name).encode()).digest() for name in names], "S32")
        taken = told.take(pa.array(np.argsort(digests, kind="stable")[:_ASKING])).combine_chunks()
    return taken


def _look(settings: DuplicatesSettings, asking: pa.Table, part: pa.Table, nearest: _Nearest) -> None:
    """Hold those that ask against the better rows of a part."""
    if not len(part):
        return
    place = np.empty(len(asking) + len(part), np.int64)
    place[rank(settings, pa.concat_tables([asking, part]))] = np.arange(len(place))
    given = vectors(part["embedding"])[1]
    mine, its = whole(vectors(asking["embedding"])[1]), whole(given)
    for start in range(0, len(mine), _AT_A_TIME):
        some = slice(start, start + _AT_A_TIME)
        best, product = _best(mine[some], its, place[: len(mine)][some], place[len(mine) :])
        closer = np.flatnonzero(product > nearest.product[some])
        nearest.product[start + closer] = product[closer]
        nearest.vector[start + closer] = given[best[closer]]


def _best(
    mine: Whole, its: Whole, my_place: NDArray[np.int64], its_place: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each of mine the better row with the largest product, and this; below 0 where no row is better."""
    products = mine.astype(np.float32) @ its.astype(np.float32).T
    products[its_place[None] >= my_place[:, None]] = -1
    best = products.argmax(axis=1)
    return best, products[np.arange(len(mine)), best].astype(np.int64)
