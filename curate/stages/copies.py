"""Whether one sample is a copy of another, from their signatures: the last word on candidates of `duplicates`."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from curate.config import Settings
from curate.ops.columns import matrix, vectors
from curate.ops.evidence import SURE_SIMILARITY, Evidence, Portraits, aligned, opened, overlaid_as_they_are, show_little
from curate.ops.multihash import LARGEST_RADIUS
from curate.ops.nearest import Ranks
from curate.ops.ranking import by_turns
from curate.ops.search import cosines
from curate.ops.turns import distances
from curate.ops.verify import similarity

_PAIRS = 4096
"""Pairs measured at a time."""
_LOOKED_AT = 10
"""Samples that thumbnails call equal of which one without other words is looked for."""


class Limits(Settings):
    """From where on two samples are one."""

    near: bool = Field(True, description="near copies too, not only equal bytes")
    radius: int = Field(
        23, ge=0, le=LARGEST_RADIUS, description="largest Hamming distance of 256-bit hashes searched, all found, bit"
    )
    turned: bool = Field(
        True, description="find mirrored and quarter-turned copies by their hashes too, for twice the look-ups"
    )
    min_similarity: float = Field(0.92, ge=-1, le=1, description="least correlation of the thumbnails of candidates")
    min_cosine: float = Field(0.75, ge=0, le=1, description="least cosine of descriptors searched")
    most_candidates: int = Field(3, ge=0, description="nearest descriptors searched, and candidates aligned, a sample")
    min_agreement: float = Field(0.5, ge=0, le=1, description="least agreement after alignment")
    overlaid: Literal["keep", "drop"] = Field(
        "keep", description="what differs in text or a logo drawn over it: kept and told, or dropped, by its own kind"
    )
    semantic: float | None = Field(
        None, gt=0, le=1, description="drop samples of equal meaning from this cosine of the embeddings on; off if null"
    )


class Rows:
    """The columns of signatures that pairs are measured by, of N samples."""

    def __init__(self, table: pa.Table, *, turned: bool = False) -> None:
        self._turned = turned
        self.hashes = matrix(table["hash256_whole"])
        self.clear = table["hash256_whole"].is_valid().to_numpy()
        self.thumbnails = matrix(table["thumbnail"])
        present, self.vectors = vectors(table["embedding"])
        self.at = np.full(len(table), -1, np.int64)
        self.at[present] = np.arange(len(present))
        self.previews = table["preview"]

    def measure(self, a: Ranks, b: Ranks) -> Measures:
        """Measure pairs of rows, (P,) and (P,)."""
        parts = [self._measure(a[i : i + _PAIRS], b[i : i + _PAIRS]) for i in range(0, max(1, len(a)), _PAIRS)]
        return Measures(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _measure(self, a: Ranks, b: Ranks) -> Measures:
        known, cosine = (self.at[a] >= 0) & (self.at[b] >= 0), np.full(len(a), -1, np.float32)
        cosine[known] = cosines(self.vectors[self.at[a[known]]], self.vectors[self.at[b[known]]])
        return Measures(self._distance(a, b), cosine, similarity(self.thumbnails[a], self.thumbnails[b]))

    def _distance(self, a: Ranks, b: Ranks) -> NDArray[np.int32]:
        """The distance of the hashes; that of mirrored or turned ones where it is less and they are asked for."""
        return distances(self.hashes[a], self.hashes[b], turns=self._turned)

    def preview(self, row: int) -> bytes | None:
        """The stored preview of a row."""
        data: bytes | None = self.previews[row].as_py()
        return data


class Measures(NamedTuple):
    """Of pairs, (P,) each: Hamming distance of the hashes in bits, the least of the mirrored and turned where these are
    asked for; cosine (-1 without), correlation of the thumbnails.
    """

    distance: NDArray[np.int32]
    cosine: NDArray[np.float32]
    similarity: NDArray[np.float32]

    def only(self, which: NDArray[np.int64]) -> Measures:
        """Those of some pairs."""
        return Measures(self.distance[which], self.cosine[which], self.similarity[which])


class Verdict(NamedTuple):
    """What a row is dropped for: the keeper, by which notion of equal, and the evidence; or told, and not dropped."""

    keeper: int
    kind: str
    evidence: Evidence
    dropped: bool = True


class Verifier:
    """Verifies the candidates of rows, known by their rank; see `curate.ops.groups.Judge`. `verdicts` are of the rows
    dropped, and of those that only what is drawn over them keeps from it.

    By thumbnails, the nearest hash first, then the most alike; else by alignment, the first that agrees of
    `most_candidates`, by turns of the nearest hash and of the highest cosine; else by meaning, the highest cosine. The
    better rank wins ties. One over which nothing is drawn goes before.
    """

    def __init__(self, limits: Limits, rows: Rows, ranked: Ranks, help_: Helpers) -> None:
        """`ranked`, (R,), are the rows of rank 0, 1, ..."""
        self._limits, self._rows, self._ranked, self._help = limits, rows, ranked, help_
        self._told: dict[int, tuple[Ranks, Measures]] = {}
        self._settled: dict[int, Future[Verdict]] = {}
        self._aligning: dict[int, Future[None]] = {}
        self._aligned: dict[tuple[int, int], Evidence | None] = {}
        self.verdicts: dict[int, Verdict] = {}

    def ahead(self, row: Ranks, other: Ranks) -> None:
        """Settle what thumbnails settle, and begin to align the rest."""
        measures = self._rows.measure(self._ranked[row], self._ranked[other])
        proposed = self._proposed(measures)
        alike = self._alike(row, other, measures)
        self._settled = {r: self._help.pool.submit(self._by_thumbnails, r, of) for r, of in alike.items()}
        left = proposed & ~np.isin(row, list(self._settled))
        left |= np.isin(row, row[left]) if self._limits.semantic is None else True
        rows, starts = np.unique(row[left], return_index=True)
        ends = [*starts[1:].tolist(), len(row)]
        cut = [np.flatnonzero(left)[start:end] for start, end in zip(starts.tolist(), ends, strict=False)]
        self._told = {r: (other[at], measures.only(at)) for r, at in zip(rows.tolist(), cut, strict=True)}
        self._aligned = {}
        self._aligning = {
            row: self._help.pool.submit(self._align, row, doubtful)
            for row, told in self._told.items()
            if row not in self._settled and (doubtful := self._doubtful(row, *told))
        }

    def __call__(self, row: int, others: Ranks | None) -> int | None:
        """The one of the candidates that the row is dropped for; None if it is new."""
        if others is None:
            settled = self._settled.get(row)
            closer = None if settled or row not in self._told else self._closer(row, *self._told[row])
            verdict = settled.result() if settled else closer
        else:
            asking = np.full(len(others), row)
            measures = self._rows.measure(self._ranked[asking], self._ranked[others])
            alike = self._alike(asking, others, measures).get(row)
            verdict = self._by_thumbnails(row, alike) if alike else self._closer(row, others, measures)
        if verdict is None:
            return None
        dropped = verdict.kind != "overlaid" or self._limits.overlaid == "drop"
        self.verdicts[row] = verdict._replace(dropped=dropped)
        return verdict.keeper if dropped else None

    def _closer(self, row: int, others: Ranks, measures: Measures) -> Verdict | None:
        """The verdict on what thumbnails do not settle."""
        return self._by_alignment(row, others, measures) or self._by_meaning(others, measures)

    def _proposed(self, measures: Measures) -> NDArray[np.bool_]:
        near = (measures.distance <= self._limits.radius) | (measures.cosine >= np.float32(self._limits.min_cosine))
        return near & self._limits.near

    def _alike(self, row: Ranks, other: Ranks, measures: Measures) -> dict[int, list[tuple[int, float]]]:
        """Of pairs, what thumbnails verify: the others of each row with their correlation, the nearest first."""
        least = self._limits.min_similarity
        near = self._proposed(measures) & (measures.similarity >= np.float32(least))
        for pair in np.flatnonzero(near & (measures.similarity < np.float32(SURE_SIMILARITY))).tolist():
            near[pair] = show_little(self._preview(row[pair]), self._preview(other[pair]))
        alike = np.flatnonzero(near)
        order = np.lexsort((other[alike], -measures.similarity[alike], measures.distance[alike], row[alike]))
        best, found = alike[order], dict[int, list[tuple[int, float]]]()
        for pair in best.tolist():
            found.setdefault(int(row[pair]), []).append((int(other[pair]), float(measures.similarity[pair])))
        return found

    def _by_thumbnails(self, row: int, alike: list[tuple[int, float]]) -> Verdict:
        """The verdict on a row that thumbnails settle: the first other over which nothing is drawn, else the first."""
        least, mine = self._limits.min_similarity, self._preview(row)
        for other, score in alike[:_LOOKED_AT] if mine else alike[:1]:
            its = self._preview(other)
            if not (mine and its and overlaid_as_they_are(mine, its)):
                return Verdict(other, "near", Evidence("thumbnails", score, least))
        other, score = alike[0]
        return Verdict(other, "overlaid", Evidence("thumbnails", score, least, overlaid=True))

    def _preview(self, rank: int) -> bytes | None:
        return self._rows.preview(int(self._ranked[rank]))

    def _doubtful(self, row: int, others: Ranks, measures: Measures) -> list[int]:
        """What is to be aligned with a row: by turns the nearest hash and the highest cosine, as far as there are any.

        By cosine alone lookalikes went before mirrored copies, which only their hashes show.
        """
        near = np.flatnonzero(self._proposed(measures))
        if not len(near) or self._preview(row) is None:
            return []
        distance, cosine = measures.distance[near], -measures.cosine[near]
        by_hash = np.lexsort((others[near], cosine, distance))[: (distance <= self._limits.radius).sum()]
        by_cosine = np.lexsort((others[near], distance, cosine))
        nearest: list[int] = others[near[by_turns(by_hash, by_cosine, self._limits.most_candidates)]].tolist()
        return nearest

    def _by_alignment(self, row: int, others: Ranks, measures: Measures) -> Verdict | None:
        doubtful = self._doubtful(row, others, measures)
        if row in self._aligning:
            self._aligning.pop(row).result()
        self._align(row, doubtful)
        agree = [(other, told) for other in doubtful if (told := self._aligned.get((row, other)))]
        plain = [(other, told) for other, told in agree if not told.overlaid]
        for other, told in plain or agree:
            return Verdict(other, "overlaid" if told.overlaid else "near", told)
        return None

    def _align(self, row: int, others: list[int]) -> None:
        """Align a row with others until one agrees over which nothing is drawn, where that was not done yet."""
        sample, least = None, self._limits.min_agreement
        for other in others:
            if (row, other) not in self._aligned:
                sample = sample or opened(self._preview(row))
                image = self._help.portraits(int(self._ranked[other]))
                self._aligned[row, other] = aligned(sample, image, least, look=True)
            if (told := self._aligned[row, other]) and not told.overlaid:
                return

    def _by_meaning(self, others: Ranks, measures: Measures) -> Verdict | None:
        least = self._limits.semantic
        if least is None or not (measures.cosine >= np.float32(least)).any():
            return None
        best = np.lexsort((others, -measures.cosine))[0]
        return Verdict(int(others[best]), "semantic", Evidence("embedding", float(measures.cosine[best]), least))


class Helpers:
    """Threads to align in, and the portraits that they share. Leave it as a context."""

    def __init__(self, rows: Rows) -> None:
        self.pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
        self.portraits = Portraits(rows.preview)

    def __enter__(self) -> Helpers:
        return self

    def __exit__(self, *error: Any) -> None:
        self.pool.shutdown(cancel_futures=True)
