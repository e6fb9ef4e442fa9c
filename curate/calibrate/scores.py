"""Both scores of every pair that the search of `contamination` proposes, whatever the thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.ops.columns import vectors
from curate.ops.verify import compare
from curate.stages.benchmark import Benchmark
from curate.stages.contamination import ContaminationSettings, alike, decides
from curate.stages.proposals import Candidate, Corpus, embeddings_near, hashes_near

LEAST_COSINE = 0.3
"""From which cosine on candidates are counted."""
_ROWS = 64
"""Samples whose candidates are counted at once: each may have all images."""
_ALL_WAYS = 2.0
"""More than any agreement, so that no way to align a pair is left out because another did well enough."""


class Scored(NamedTuple):
    """A pair: a row of the samples, a number of an image; correlation of thumbnails, agreement after alignment.

    `similarity` is -1 where no hashes met or thumbnails do not decide, `agreement` 0 where no alignment was found; both
    1 for equal bytes.
    """

    row: int
    image: int
    similarity: float
    agreement: float


class Proposed(NamedTuple):
    """Of each sample, the images with a view near to it: rows (P,), images (P,), the nearest view's cosine (P,)."""

    row: NDArray[np.int64]
    image: NDArray[np.int64]
    cosine: NDArray[np.float32]


class Scorer:
    """Scores samples against one benchmark. A pair counts at thresholds when one of its scores reaches its own."""

    def __init__(self, settings: ContaminationSettings, views: pa.Table) -> None:
        self._settings = settings
        self.benchmark = Benchmark(views, settings.engine)

    def __call__(self, signatures: pa.Table) -> list[Scored]:
        """Every pair that is proposed, by row, then image."""
        corpus = Corpus(signatures)
        similar: dict[tuple[int, int], float] = {}
        likely = set()
        for candidate in self._proposed(corpus):
            pair = candidate.row, self.benchmark.image[candidate.seen]
            similar[pair] = max(similar.get(pair, -1.0), self._similarity(corpus, candidate))
            likely |= {pair} if candidate.likely(self._settings) else set()
        equal = set(self._equal(signatures))
        return [
            Scored(row, image, 1.0, 1.0)
            if (row, image) in equal
            else Scored(row, image, similar[row, image], self._agreement(corpus, row, image, (row, image) in likely))
            for row, image in sorted(similar.keys() | equal)
        ]

    def near(self, signatures: pa.Table) -> Proposed:
        """The images whose embeddings propose them, from a low cosine on and without a limit of their number."""
        rows, embeddings = vectors(signatures["embedding"])
        found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
        starts = range(0, len(rows), _ROWS)
        for its, start in product(self.benchmark.embeddings, starts):
            pairs = its.search.within(embeddings[start : start + _ROWS], LEAST_COSINE)
            row, image = rows[start + pairs.query], its.image[pairs.reference]
            order = np.lexsort((-pairs.cosine, image, row))
            row, image, cosine = row[order], image[order], pairs.cosine[order]
            first = np.r_[True, (row[1:] != row[:-1]) | (image[1:] != image[:-1])][: len(row)]
            found.append((row[first], image[first], cosine[first]))
        return Proposed(*(np.concatenate(column) for column in zip(*found, strict=True)))

    def _proposed(self, corpus: Corpus) -> Iterator[Candidate]:
        yield from hashes_near(corpus, self.benchmark, self._settings)
        yield from embeddings_near(corpus, self.benchmark, self._settings)

    def _equal(self, signatures: pa.Table) -> Iterator[tuple[int, int]]:
        for row, digest in enumerate(signatures["sha256"].to_pylist()):
            for seen in self.benchmark.by_bytes.get(digest, ()):
                yield row, self.benchmark.image[seen]

    def _similarity(self, corpus: Corpus, candidate: Candidate) -> float:
        score = None if candidate.distance is None else alike(corpus, self.benchmark, candidate)
        return -1.0 if score is None or not decides(score, corpus, self.benchmark, candidate) else score

    def _agreement(self, corpus: Corpus, row: int, image: int, likely: bool) -> float:
        mine, its = corpus.portrait(row), self.benchmark.portraits(image)
        verdict = compare(mine, its, _ALL_WAYS, likely=likely) if mine and its else None
        return verdict.agreement if verdict else 0.0
