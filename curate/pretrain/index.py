"""Which samples of the clean shards are trained on and which are held out, by the index and without their pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate import sources
from curate.pretrain.settings import PretrainSettings
from curate.sources import Sample, Shard
from curate.store import Store


class World(NamedTuple):
    """Which of how many training processes this is."""

    rank: int = 0
    size: int = 1


ALONE = World()


class Place(NamedTuple):
    """Where a sample lies: its shard, its row in the shard's index, and its bytes in the shard's tar."""

    shard: str
    row: int
    offset: int
    length: int


Chosen = Callable[[list[str], NDArray[np.float64]], NDArray[np.bool_]]
"""Of the samples of a shard, keys and (N,) numbers drawn of their content, 0 to 1: which are trained on at all."""


class Index:
    """The samples of a run's clean shards that can be trained on; 24 bytes each, and their labels if asked for.

    `train` and `held` are row numbers. What is held out is drawn by the digest of the image, so that it is the same for
    every seed and every order; the run has dropped duplicates, so no training image shows what a held-out one shows.
    """

    def __init__(self, store: Store, settings: PretrainSettings, chosen: Chosen | None = None) -> None:
        self.data, self.folder = store.dataset("clean"), store.path("clean")
        self.skipped = Counter[str]()
        self._shards, self._settings = self.data.parts(), settings
        found = [self._rows(number, chosen) for number in range(len(self._shards))]
        rows, drawn, labels = zip(*found, strict=True) if found else ((np.empty((0, 4), np.int64),), (np.empty(0),), ())
        self._rows_of, self.labels = np.concatenate(rows), [label for some in labels for label in some]
        self.classes = sorted({name for names in self.labels for name in names})
        held = np.concatenate(drawn) < settings.held_out
        self.train, self.held = np.flatnonzero(~held), np.flatnonzero(held)

    def at(self, row: int) -> Place:
        number, in_shard, offset, length = self._rows_of[row].tolist()
        return Place(self._shards[number], in_shard, offset, length)

    def shard(self, row: int) -> str:
        return self._shards[int(self._rows_of[row, 0])]

    def by_shard(self) -> list[NDArray[np.int64]]:
        """The training rows, shard by shard."""
        cuts = np.flatnonzero(np.diff(self._rows_of[self.train, 0])) + 1
        return np.split(self.train, cuts)

    def targets(self, rows: list[int]) -> NDArray[np.float32]:
        """(B, C) float32: 1 where a sample has a class."""
        known = {name: at for at, name in enumerate(self.classes)}
        out = np.zeros((len(rows), len(known)), np.float32)
        for place, row in enumerate(rows):
            out[place, [known[name] for name in self.labels[row]]] = 1
        return out

    def _rows(
        self, number: int, chosen: Chosen | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], list[tuple[str, ...]]]:
        """Of one shard: (N, 4) int64 of shard, row, offset, length; (N,) numbers drawn of the content; the labels."""
        index = self.data.read(self._shards[number], ["key", "caption", "offset", "length", "sha256"])
        digests = b"".join(digest[:8] for digest in index["sha256"].to_pylist())
        drawn = np.frombuffer(digests, ">u8") / 2.0**64
        keep = np.ones(len(index), bool) if chosen is None else chosen(index["key"].to_pylist(), drawn)
        labels: list[tuple[str, ...]] = []
        if self._settings.captions:
            usable = pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(index["caption"])), 0).fill_null(False)
        else:
            labels = self._read_labels(self._shards[number])
            usable = [bool(names) for names in labels]
        usable = np.asarray(usable, bool)
        why_not = "want of a caption" if self._settings.captions else "want of a label"
        self.skipped.update({why_not: missing} if (missing := int((keep & ~usable).sum())) else {})
        rows = np.flatnonzero(keep & usable)
        columns = [np.full(len(rows), number), rows, *(index[c].to_numpy()[rows] for c in ("offset", "length"))]
        return np.stack(columns, axis=1).astype(np.int64), drawn[rows], [labels[row] for row in rows] if labels else []

    def _read_labels(self, shard: str) -> list[tuple[str, ...]]:
        """The labels of every sample of a shard, in its order; the tar is read once for them."""
        tar = Shard(shard, "tar", (self.data.store.url("clean", f"{shard}.tar"),), digest="")
        several = self._settings.objective == "labels"
        return [labels_of(sample, self._settings.label_field, several) for sample in sources.read(tar)]


def labels_of(sample: Sample, field: str, several: bool) -> tuple[str, ...]:
    """The labels of a sample: the member `cls` (separated by commas if `several`), or a field of the member `json`."""
    if field == "cls":
        given: object = sample.label.split(",") if sample.label and several else sample.label
    else:
        try:
            facts = json.loads(dict(sample.members).get("json", b"{}"))
        except (ValueError, RecursionError):
            facts = None
        given = facts.get(field) if isinstance(facts, dict) else None
    names = given if isinstance(given, list) else [given]
    found = [str(name).strip() for name in names if isinstance(name, str | int) and str(name).strip()]
    return tuple(dict.fromkeys(found)) if several else tuple(found[:1])
