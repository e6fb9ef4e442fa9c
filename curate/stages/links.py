"""Links: what must be decided together, from the buckets in which samples meet. One span of the buckets at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.contracts import contract
from curate.ops.buckets import CELL, HASH, Near, kind, spanning
from curate.ops.partition import least_product
from curate.stages.duplicates import DuplicatesSettings

VERSION = 1


def find(settings: DuplicatesSettings, keys: pa.Table) -> pa.Table:
    """Connect what is near in each bucket of a span, given as contract `keys` -> contract `links`."""
    keys = keys.sort_by([(name, "ascending") for name in ("bucket", "source", "row")])
    number = np.stack([keys["source"].to_numpy().astype(np.int64), keys["row"].to_numpy()])
    buckets = keys["bucket"].to_numpy()
    digests = int(np.searchsorted(buckets, HASH))
    again, first = _equal(_values(keys, np.arange(digests)))
    found = [np.vstack([number[:, again], number[:, first]])]
    for bucket, rows in _shared(buckets[digests:]):
        a, b = spanning(_values(keys, rows + digests), _near(settings, kind(bucket)))
        found.append(np.vstack([number[:, digests + rows[a]], number[:, digests + rows[b]]]))
    links = np.unique(np.concatenate(found, axis=1), axis=1)
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


def _near(settings: DuplicatesSettings, bucket: int) -> Near:
    if bucket == CELL:
        return partial(_products_near, settings.least_cosine)
    return partial(_bits_near, settings.radius)


def _bits_near(radius: int, a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.bool_]:
    one, other = (np.unpackbits(side.view(np.uint8), axis=1).astype(np.float32) * 2 - 1 for side in (a, b))
    near: NDArray[np.bool_] = one @ other.T >= one.shape[1] - 2 * radius
    return near


def _products_near(least: float, a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.bool_]:
    near: NDArray[np.bool_] = a.astype(np.float32) @ b.astype(np.float32).T >= least_product(least, a.shape[1])
    return near
