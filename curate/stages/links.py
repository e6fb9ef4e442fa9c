"""Links: what must be decided together, from the buckets in which samples meet. One span of the buckets at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.contracts import contract
from curate.ops.buckets import CELL, HASH, Find, NearHashes, kind, spanning
from curate.ops.nearest import Ranks
from curate.ops.partition import least_product
from curate.stages.duplicates import DuplicatesSettings

VERSION = 3
_PAIRS = 2**21
"""Descriptors compared at once."""


def find(settings: DuplicatesSettings, keys: pa.Table) -> pa.Table:
    """Connect what is near in each bucket of a span, given as contract `keys` -> contract `links`."""
    keys = keys.sort_by([(name, "ascending") for name in ("bucket", "source", "row")])
    number = np.stack([keys["source"].to_numpy().astype(np.int64), keys["row"].to_numpy()])
    buckets = keys["bucket"].to_numpy()
    digests = int(np.searchsorted(buckets, HASH))
    again, first = _equal(_values(keys, np.arange(digests)))
    found = [np.vstack([number[:, again], number[:, first]])]
    for bucket, rows in _shared(buckets[digests:]):
        a, b = spanning(len(rows), _find(settings, bucket, _values(keys, rows + digests)))
        found.append(np.vstack([number[:, digests + rows[a]], number[:, digests + rows[b]]]))
    links = np.concatenate(found, axis=1)
    links = np.unique(links[:, (links[:2] != links[2:]).any(axis=0)], axis=1)  # a picture may be near itself turned
    names = ("source", "row", "other_source", "other_row")
    return contract("links").table(dict(zip(names, links, strict=True)))


def _values(keys: pa.Table, rows: NDArray[np.int64]) -> NDArray[np.int8]:
    """What is compared, (R, W) bytes."""
    joined = np.frombuffer(b"".join(keys["value"].take(pa.array(rows)).to_pylist()), np.int8)
    return joined.reshape(len(rows), -1) if len(rows) else np.empty((0, 1), np.int8)


def _equal(digests: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that are equal to an earlier one, and the first of these."""
    told = np.ascontiguousarray(digests).view(f"V{digests.shape[1]}").reshape(-1)
    _, first, of = np.unique(told, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[of] != np.arange(len(told)))
    return again, first[of[again]]


def _shared(buckets: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """The buckets, sorted, that several rows fall in, and these rows."""
    numbers, starts, counts = np.unique(buckets, return_index=True, return_counts=True)
    for i in np.flatnonzero(counts > 1).tolist():
        yield int(numbers[i]), np.arange(starts[i], starts[i] + counts[i])


def _find(settings: DuplicatesSettings, bucket: int, values: NDArray[np.int8]) -> Find:
    if kind(bucket) == CELL:
        return partial(_products_near, values, settings.least_cosine)
    return NearHashes(values.view("<u8"), bucket, settings.radius, turns=settings.turned)


def _products_near(
    values: NDArray[np.int8], cosine: float, asking: Ranks, others: Ranks
) -> Iterator[tuple[Ranks, Ranks]]:
    least, mine = least_product(cosine, values.shape[1]), values[asking].astype(np.float32)
    step = max(1, _PAIRS // max(1, len(asking)))
    for start in range(0, len(others), step):
        some = others[start : start + step]
        row, other = np.nonzero(mine @ values[some].astype(np.float32).T >= least)
        yield asking[row], some[other]
