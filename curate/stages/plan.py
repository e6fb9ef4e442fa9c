"""The plan: which task decides which samples, so that what may repeat one another comes together."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.contracts import contract
from curate.ops.groups import connected

VERSION = 2
_ROWS = 40
"""Bits of a sample's number that hold its row; those above hold the number of its part."""


def find(in_memory: int, links: Iterable[pa.Table]) -> pa.Table:
    """Pack what links connect in tasks of about `in_memory` samples: contract `links` -> contract `plan`, sorted by
    source and row.

    A group of samples is never cut, however large; tasks are filled in the order of the first sample of the groups.
    It takes 60 bytes of memory for each linked sample and link.
    """
    pairs = np.concatenate([np.empty((2, 0), np.int64), *map(_numbers, links)], axis=1)
    samples, place = np.unique(pairs, return_inverse=True)
    component = connected(len(samples), *place.reshape(2, -1))
    sizes = np.bincount(component)
    task = (np.cumsum(sizes) - sizes) // in_memory
    _, dense = np.unique(task, return_inverse=True)
    of = dense.reshape(-1)[component]
    return contract("plan").table({"task": of, "source": samples >> _ROWS, "row": samples & ((1 << _ROWS) - 1)})


def _numbers(links: pa.Table) -> NDArray[np.int64]:
    """(2, L) numbers of samples."""
    sides = ((links[f"{o}source"].to_numpy(), links[f"{o}row"].to_numpy()) for o in ("", "other_"))
    return np.stack([source.astype(np.int64) << _ROWS | row for source, row in sides])
