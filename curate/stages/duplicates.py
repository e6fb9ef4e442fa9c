"""Duplicates inside the corpus: which sample repeats which kept one. The one stage that needs all parts at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from curate.config import Settings
from curate.contracts import contract
from curate.ops.columns import matrix
from curate.ops.groups import connected, keepers
from curate.ops.hashing import hamming
from curate.ops.search import HammingIndex
from curate.ops.verify import similarity

VERSION = 1
COLUMNS = ["shard", "key", "status", "caption", "sha256", "width", "height", "hash256_whole", "thumbnail"]


class DuplicatesSettings(Settings):
    """When two samples of the corpus count as the same picture."""

    near: bool = Field(True, description="near-duplicates too (compares all pairs of hashes), not only equal bytes")
    radius: int = Field(40, ge=0, le=128, description="largest Hamming distance of 256-bit hashes, bit")
    min_similarity: float = Field(0.9, ge=-1, le=1, description="least correlation of the thumbnails")


def find(settings: DuplicatesSettings, candidates: pa.Table) -> pa.Table:
    """Choose keepers among samples that may stay: columns `COLUMNS` of signatures -> contract `duplicates`.

    The better sample is kept: more pixels, then the longer caption, then the smaller (shard, key). A sample is dropped
    only for a kept one with the same bytes, or within `radius` and at least as similar as `min_similarity`; of several,
    the nearest. The order of the rows given does not matter.
    """
    candidates = candidates.sort_by([("shard", "ascending"), ("key", "ascending")])
    order = _best_first(candidates)
    pairs = _Pairs(settings, candidates, order)
    keeper = keepers(order, pairs.cells, pairs.near, pairs.judge)
    dropped = np.flatnonzero(keeper != np.arange(len(keeper)))
    group = connected(len(keeper), ((int(r), int(keeper[r])) for r in dropped))
    return _table(settings, candidates, pairs, keeper, dropped, group)


def _best_first(candidates: pa.Table) -> NDArray[np.int64]:
    """Row numbers, best sample first; rows stand sorted by (shard, key), which settles ties."""
    pixels = pc.multiply(candidates["width"].cast(pa.int64()), candidates["height"].cast(pa.int64())).to_numpy()
    words = pc.fill_null(pc.utf8_length(candidates["caption"]), 0).to_numpy()
    return np.lexsort((-words, -pixels)).astype(np.int64)


class _Pairs:
    """Rows by cell (one hash, or the bytes of a blank picture), cells near each other, and the verdict on two rows."""

    def __init__(self, settings: DuplicatesSettings, candidates: pa.Table, order: NDArray[np.int64]) -> None:
        self._settings = settings
        self.rank = np.empty(len(order), np.int64)
        self.rank[order] = np.arange(len(order))
        self.digests = matrix(candidates["sha256"])
        self.hashes = matrix(candidates["hash256_whole"])
        self.thumbnails = matrix(candidates["thumbnail"])
        self.clear = candidates["hash256_whole"].is_valid().to_numpy() & settings.near
        self.cells, self.near = self._cells()

    def _cells(self) -> tuple[NDArray[np.int64], dict[int, list[int]]]:
        """Number the cells; neighbours within the radius. Equal hashes fall into one cell, so a million copies of one
        picture cost one search and not a million squared.
        """
        hashes, of_hash = np.unique(self.hashes[self.clear], axis=0, return_inverse=True)
        _, of_bytes = np.unique(self.digests[~self.clear], axis=0, return_inverse=True)
        cells = np.empty(len(self.clear), np.int64)
        cells[self.clear], cells[~self.clear] = of_hash.reshape(-1), len(hashes) + of_bytes.reshape(-1)
        near: dict[int, list[int]] = {}
        pairs = HammingIndex(hashes).within(hashes, self._settings.radius)
        for a, b in zip(pairs.query.tolist(), pairs.reference.tolist(), strict=True):
            near.setdefault(a, []).append(b)
        return cells, near

    def judge(self, row: int, rivals: list[int]) -> int | None:
        """The kept row that `row` repeats: same bytes first, then the nearest, most similar, best; None if new."""
        kept = np.array(rivals)
        equal = (self.digests[kept] == self.digests[row]).all(axis=1)
        distance, alike = self.measure(np.full(len(kept), row), kept)
        fits = equal | (self.clear[row] & self.clear[kept] & (alike >= self._settings.min_similarity))
        if not fits.any():
            return None
        order = np.lexsort((self.rank[kept], -alike, distance, ~equal, ~fits))
        return int(kept[order[0]])

    def measure(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Hamming distance and similarity of rows, pair by pair; 0 and 1 where the bytes are equal."""
        equal = (self.digests[a] == self.digests[b]).all(axis=1)
        distance = np.where(equal, 0, hamming(self.hashes[a], self.hashes[b])).astype(np.int32)
        alike = np.where(equal, 1, similarity(self.thumbnails[a], self.thumbnails[b])).astype(np.float32)
        return distance, alike


def _table(
    settings: DuplicatesSettings,
    candidates: pa.Table,
    pairs: _Pairs,
    keeper: NDArray[np.int64],
    dropped: NDArray[np.int64],
    group: NDArray[np.int64],
) -> pa.Table:
    kept = keeper[dropped]
    distance, alike = pairs.measure(dropped, kept)
    equal = (pairs.digests[dropped] == pairs.digests[kept]).all(axis=1)
    groups = np.unique(group[dropped], return_inverse=True)[1]
    columns: dict[str, Any] = {
        "shard": candidates["shard"].take(pa.array(dropped)),
        "key": candidates["key"].take(pa.array(dropped)),
        "kind": np.where(equal, "byte_equal", "near").tolist(),
        "distance": distance.tolist(),
        "threshold": [settings.radius] * len(dropped),
        "similarity": alike.tolist(),
        "keeper_shard": candidates["shard"].take(pa.array(kept)),
        "keeper_key": candidates["key"].take(pa.array(kept)),
        "group": groups.reshape(-1).tolist(),
    }
    return contract("duplicates").table(columns)
