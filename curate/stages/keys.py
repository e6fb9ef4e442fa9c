"""Keys: the buckets that each sample falls in, where there are too many samples to be held at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.contracts import contract
from curate.ops.buckets import CELL, digest_buckets, hash_buckets
from curate.ops.columns import matrix, present, vectors
from curate.ops.partition import Cells, whole
from curate.ops.turns import Words, apart, words
from curate.stages.duplicates import DuplicatesSettings

VERSION = 3


def columns(settings: DuplicatesSettings) -> list[str]:
    """The columns of signatures that are needed."""
    return ["sha256", "hash256_whole", "embedding"] if settings.searches else ["sha256"]


class Place(NamedTuple):
    """A part of signatures, numbered among those of all runs, and how many spans the buckets are cut in."""

    source: int
    spans: int


def find(
    settings: DuplicatesSettings, samples: pa.Table, rows: NDArray[np.int64], place: Place, cells: Cells | None
) -> pa.Table:
    """The buckets of samples, `columns(settings)` of signatures, that stand in these `rows` -> contract `keys`."""
    digests = matrix(samples["sha256"])
    found: list[_Found] = [(rows, digest_buckets(digests), digests)]
    if settings.near:
        at, hashes = present(samples["hash256_whole"])
        for here, way in _ways(hashes, turns=settings.turned):
            buckets = hash_buckets(way, settings.radius, turns=settings.turned)
            found.append((rows[at[here]], buckets, way.astype("<u8").view(np.uint8)))
    if cells and settings.searches:
        clear = samples["hash256_whole"].is_valid().to_numpy()
        at, given = vectors(samples["embedding"])
        told = whole(given[clear[at]]) if len(at) else np.empty((0, cells.dims), np.int8)
        found.append((rows[at[clear[at]]], CELL | cells.asked(told), told))
    return _table(found, place)


def _ways(hashes: NDArray[np.uint8], *, turns: bool) -> Iterator[tuple[NDArray[np.int64], Words]]:
    """Which hashes, and their words: as they are, and with `turns` laid, but for those that are a mirrored one then."""
    upright, *laid = words(hashes, turns=turns)
    yield np.arange(len(hashes)), upright
    for way in laid:
        unlike = np.flatnonzero(apart(upright, way, turns=True))
        yield unlike, way[unlike]


_Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]
"""Rows (R,), their buckets (R, B), their values (R, W) of bytes."""


def _table(found: list[_Found], place: Place) -> pa.Table:
    tables = []
    for rows, buckets, values in found:
        each = np.repeat(np.arange(len(rows)), buckets.shape[1])
        bucket = buckets.reshape(-1)
        span = (bucket.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(33)) % np.uint64(place.spans)
        told = pa.array([row.tobytes() for row in values], pa.binary()).take(pa.array(each))
        columns = {"span": span.astype(np.int32), "bucket": bucket, "source": [place.source] * len(each)}
        tables.append(contract("keys").table({**columns, "row": rows[each], "value": told}))
    return joined(tables)


def joined(tables: list[pa.Table]) -> pa.Table:
    """Tables of contract `keys` as one, sorted so that what is of one span and bucket stands together."""
    ascending = [(name, "ascending") for name in ("span", "bucket", "source", "row", "value")]
    return pa.concat_tables(tables).combine_chunks().sort_by(ascending)
