"""Keepers: which samples stay so that every dropped one has a kept one near it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

Judge = Callable[[int, list[int]], int | None]


def keepers(
    order: NDArray[np.int64], cells: NDArray[np.int64], near: dict[int, list[int]], judge: Judge
) -> NDArray[np.int64]:
    """Choose keepers: (N,) row numbers best first, (N,) cell of each row -> (N,) keeper of each row, itself if kept.

    A row is dropped only for a row that is *kept*: never for one that was itself dropped, which would chain unrelated
    pictures together. `near[cell]` lists the cells within the threshold, `judge(row, kept_rows)` names the kept row
    that this one duplicates, or None. Every row is looked at once, against the kept rows of the cells near its own.
    """
    keeper = np.arange(len(order))
    kept: dict[int, list[int]] = {}
    for row in order.tolist():
        cell = int(cells[row])
        rivals = [k for c in near.get(cell, (cell,)) for k in kept.get(c, ())]
        chosen = judge(row, rivals) if rivals else None
        if chosen is None:
            kept.setdefault(cell, []).append(row)
        else:
            keeper[row] = chosen
    return keeper


def connected(count: int, edges: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Number the connected groups of 0..count-1, in order of their first member: (count,) int64."""
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    roots = np.array([root(node) for node in range(count)], np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)
