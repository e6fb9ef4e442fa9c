"""What is proposed: which pairs of a corpus sample and a benchmark image contamination has to verify.

Hashes propose few and at once. Embeddings propose a shortlist of images, which shared local features sort once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from curate.config import Settings
from curate.ops.alignment import Portrait
from curate.ops.columns import matrix, present, vectors
from curate.ops.evidence import opened
from curate.ops.local import codes
from curate.ops.ranking import by_turns
from curate.ops.views import QUARTERS
from curate.stages.benchmark import Benchmark

REGIONS = ("whole", "square", *QUARTERS)


class Proposing(Settings):
    """Which pairs are proposed."""

    radius: int = Field(
        56, ge=0, le=128, description="largest Hamming distance of 256-bit hashes that is searched, bit"
    )
    min_cosine: float = Field(0.5, ge=-1, le=1, description="least cosine of embeddings that is searched")
    shortlist: int = Field(
        64, ge=0, description="images of each benchmark, of the nearest embeddings, whose details are compared"
    )
    most_candidates: int = Field(
        6, ge=0, description="of these aligned with a sample: by turns the nearest embedding and the most details"
    )
    min_details: float = Field(
        1.0, ge=0, description="least details in common for an alignment; fewer from 0.04 below `sure_cosine` on"
    )
    sure_cosine: float = Field(0.84, ge=-1, le=1, description="cosine of the embeddings from which none are needed")


_FADING = 0.04
"""Cosine over which the details that are needed become none."""


class Candidate(NamedTuple):
    """A pair that the search proposes: a row of the corpus part, a row of the views, how near, the corpus' region."""

    row: int
    seen: int
    cosine: float | None
    region: str
    distance: int | None

    def likely(self, settings: Proposing) -> bool:
        """Whether so much speaks for it that all is tried to align the two: a near hash, or a sure cosine."""
        return self.cosine is None or self.cosine >= settings.sure_cosine


class Corpus:
    """The columns of a part that pairs are verified with."""

    def __init__(self, signatures: pa.Table) -> None:
        self.signatures = signatures
        self.thumbnails = matrix(signatures["thumbnail"])
        self.previews = signatures["preview"]
        self.sizes = list(zip(signatures["width"].to_pylist(), signatures["height"].to_pylist(), strict=True))
        self._portraits: dict[int, Portrait | None] = {}

    def portrait(self, row: int) -> Portrait | None:
        """The portrait of a row's preview; the last two are remembered, since candidates come row by row."""
        if row not in self._portraits:
            self._portraits = dict([*self._portraits.items()][-1:])
            self._portraits[row] = opened(self.previews[row].as_py())
        return self._portraits[row]


def hashes_near(corpus: Corpus, benchmark: Benchmark, settings: Proposing) -> Iterator[Candidate]:
    """The corpus' whole and square against all hashed views; its quarters against whole upright images only."""
    for region in REGIONS:
        index = benchmark.upright if region in QUARTERS else benchmark.hashes
        rows, hashes = present(corpus.signatures[f"hash256_{region}"])
        pairs = index.search.within(hashes, settings.radius)
        for query, seen, distance in zip(
            rows[pairs.query].tolist(), index.rows[pairs.reference].tolist(), pairs.distance.tolist(), strict=True
        ):
            yield Candidate(query, seen, None, region, distance)


def embeddings_near(corpus: Corpus, benchmark: Benchmark, settings: Proposing) -> Iterator[Candidate]:
    """Row by row, of each benchmark the `most_candidates` of a shortlist of images: see `curate.ops.local`."""
    rows, embeddings = vectors(corpus.signatures["embedding"])
    if not len(rows):
        return
    near = []
    for its in benchmark.embeddings:
        pairs = its.search.nearest(embeddings, its.image, settings.shortlist, settings.min_cosine)
        ends = np.searchsorted(pairs.query, np.arange(len(rows) + 1))
        near.append((_Listed(its.rows[pairs.reference], its.image[pairs.reference], pairs.cosine), ends.tolist()))
    for query, row in enumerate(rows.tolist()):
        for listed, ends in near:
            part = slice(ends[query], ends[query + 1])
            mine = _Listed(listed.seen[part], listed.image[part], listed.cosine[part])
            for seen, cosine in _by_turns(corpus.portrait(row) if len(mine.seen) else None, benchmark, mine, settings):
                yield Candidate(row, seen, cosine, "whole", None)


class _Listed(NamedTuple):
    """A sample's shortlist of one benchmark, the nearest first: rows of the views, images, cosines; (S,) each."""

    seen: NDArray[np.int64]
    image: NDArray[np.int64]
    cosine: NDArray[np.float32]


def _by_turns(
    portrait: Portrait | None, benchmark: Benchmark, listed: _Listed, settings: Proposing
) -> Iterator[tuple[int, float]]:
    """Of a sample's shortlist, by turns the nearest, and that with the most votes of details: row of the view, cosine.

    Of equally many the nearer. None that has neither details in common nor a high cosine; none without previews.
    """
    if portrait is None:
        return
    details, votes = benchmark.shared_details(codes(portrait.features), listed.image)
    by_votes = np.argsort(-votes, kind="stable").tolist()
    worth = details >= settings.min_details * np.clip((settings.sure_cosine - listed.cosine) / _FADING, 0, 1)
    for number in by_turns(range(len(by_votes)), by_votes, settings.most_candidates):
        if worth[number]:
            yield int(listed.seen[number]), float(listed.cosine[number])
