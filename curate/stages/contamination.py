"""Contamination: which corpus samples show a benchmark image, which image, how it was changed, how sure that is.

Search proposes (`curate.stages.proposals`). Verification decides: by the thumbnails where the views that met say how
they lie on each other, else by aligning the two pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa
from pydantic import Field

from curate.config import Settings
from curate.contracts import contract
from curate.ops.evidence import BYTES, SURE_SIMILARITY, Evidence, aligned, show_little
from curate.ops.verify import SIDE, centre_of, similarity, square_of
from curate.ops.views import QUARTERS, TURNS, WHOLE, Box, overlap, square
from curate.stages.benchmark import Benchmark
from curate.stages.proposals import REGIONS, Candidate, Corpus, Proposing, embeddings_near, hashes_near

VERSION = 9
CORPUS_COLUMNS = [
    *("shard", "key", "sha256", "width", "height", "thumbnail", "preview", "embedding"),
    *(f"hash256_{region}" for region in REGIONS),
]


class Thresholds(Settings):
    """From which scores on a pair counts, for one benchmark."""

    min_similarity: float = Field(ge=-1, le=1, description="least correlation of the thumbnails of near hashes")
    min_agreement: float = Field(
        ge=0, le=1, description="least agreement after alignment: four shares that speak for it, less one against"
    )


class ContaminationSettings(Proposing):
    """When a corpus sample counts as showing a benchmark image."""

    how_not_what: ClassVar[frozenset[str]] = frozenset({"engine", "calibration"})

    min_similarity: float = Field(0.92, ge=-1, le=1, description="least correlation of the thumbnails of near hashes")
    min_agreement: float = Field(
        0.45, ge=0, le=1, description="least agreement after alignment: four shares that speak for it, less one against"
    )
    thresholds: dict[str, Thresholds] = Field(
        default_factory=dict, description="benchmark -> its own min_similarity and min_agreement, instead of these"
    )
    calibration: str | None = Field(
        None, description="folder or file that `curate calibrate` wrote: `thresholds` of the benchmarks it names"
    )
    engine: str = Field("auto", description="of the search: auto, faiss, faiss-gpu or torch")

    def limits(self, benchmark: str) -> Thresholds:
        """From which scores on a pair with an image of this benchmark counts."""
        common = Thresholds(min_similarity=self.min_similarity, min_agreement=self.min_agreement)
        return self.thresholds.get(benchmark, common)


class Match(NamedTuple):
    """One pair: a row of the corpus part, an image of the benchmarks, and the columns of contract `contamination`."""

    row: int
    image: int
    evidence: dict[str, Any]


def make(settings: ContaminationSettings, views: pa.Table) -> Callable[[pa.Table], pa.Table]:
    """Load the benchmarks' views into indexes, once a worker: `match(signatures)` -> contract `contamination`."""
    benchmark = Benchmark(views, settings.engine)
    by_name = {name: settings.limits(name) for name in {image["benchmark"] for image in benchmark.names}}
    limits = [by_name[image["benchmark"]] for image in benchmark.names]

    def match(signatures: pa.Table) -> pa.Table:
        corpus = Corpus(signatures)
        found = {(m.row, m.image): m for m in _byte_equal(signatures, benchmark)}
        unsure: dict[tuple[int, int], Candidate] = {}
        for candidate in hashes_near(corpus, benchmark, settings):
            pair = candidate.row, benchmark.image[candidate.seen]
            verified = _by_thumbnails(corpus, benchmark, candidate, limits[pair[1]])
            if verified is None:
                unsure.setdefault(pair, candidate)
            elif _better(verified, found.get(pair)):
                found[pair] = verified
        tried = set(found)
        proposed = (candidate for _, candidate in sorted(unsure.items()))
        for candidate in merge(proposed, embeddings_near(corpus, benchmark, settings), key=attrgetter("row")):
            pair = candidate.row, benchmark.image[candidate.seen]
            likely = candidate.likely(settings)
            verified = None if pair in tried else _by_alignment(corpus, benchmark, candidate, limits[pair[1]], likely)
            tried.add(pair)
            if verified is not None:
                found[pair] = verified
        return _table(signatures, benchmark, list(found.values()))

    return match


def changed(match: dict[str, Any]) -> str:
    """How the image was changed, in words, from the columns of a match: `mirrored, turned by 90 degrees`; or ``."""
    words = {
        "mirrored": "mirrored",
        "turned": f"turned by {match['rotation']:.0f} degrees",
        "cut": f"cut to {match['shown']:.0%} of its area",
        "framed": f"filling {match['covers']:.0%} of the sample",
    }
    return ", ".join(words[transform] for transform in transforms(match))


def transforms(match: dict[str, Any]) -> list[str]:
    """Which of TRANSFORMS were done to the image, from the columns of a match: to 3 % of an area and 2 degrees."""
    done = (
        match["mirrored"],
        abs(match["rotation"]) >= _LEAST_TURN,
        match["shown"] < _NEARLY_ALL,
        match["covers"] < _NEARLY_ALL,
    )
    return [name for name, was_done in zip(TRANSFORMS, done, strict=True) if was_done]


TRANSFORMS = ("mirrored", "turned", "cut", "framed")
"""`framed`: it fills only part of the sample, as with a border, in a collage, or pasted on another picture."""


_LEAST_TURN = 2.0
_NEARLY_ALL = 0.97
"""Alignment is no more exact than this; less is not worth the words."""


def _byte_equal(signatures: pa.Table, benchmark: Benchmark) -> Iterator[Match]:
    same = {"kind": "byte_equal", "view": "whole~whole", "distance": 0, **BYTES._asdict()}
    for row, digest in enumerate(signatures["sha256"].to_pylist()):
        for seen in benchmark.by_bytes.get(digest, ()):
            yield Match(row, benchmark.image[seen], same)


def alike(corpus: Corpus, benchmark: Benchmark, candidate: Candidate) -> float | None:
    """Correlation of the thumbnails, laid over each other as the views that met say; None of quarters."""
    if candidate.region in QUARTERS:
        return None
    mine = corpus.thumbnails[candidate.row]
    if candidate.region == "square":
        mine = square_of(mine, *corpus.sizes[candidate.row])
    _, turn = benchmark.view(candidate.seen)
    its = benchmark.thumbnail(candidate.seen).reshape(SIDE, SIDE)
    return float(similarity(mine[None], TURNS[turn].apply(its).reshape(1, -1))[0])


def decides(score: float, corpus: Corpus, benchmark: Benchmark, candidate: Candidate) -> bool:
    """Whether thumbnails that are so alike are the last word on the pair."""
    if score >= SURE_SIMILARITY:
        return True
    return show_little(corpus.previews[candidate.row].as_py(), benchmark.preview(benchmark.image[candidate.seen]))


def _by_thumbnails(corpus: Corpus, benchmark: Benchmark, candidate: Candidate, limits: Thresholds) -> Match | None:
    score = alike(corpus, benchmark, candidate)
    if score is None or score < limits.min_similarity or not decides(score, corpus, benchmark, candidate):
        return None
    turn = TURNS[benchmark.view(candidate.seen)[1]]
    shares = _shares(corpus, benchmark, candidate, limits.min_similarity)
    how = turn.mirrored, float(turn.rotation), *shares
    evidence = Evidence("thumbnails", score, limits.min_similarity, *how)
    return Match(candidate.row, benchmark.image[candidate.seen], _proposal(candidate, benchmark) | evidence._asdict())


def _shares(corpus: Corpus, benchmark: Benchmark, candidate: Candidate, least: float) -> tuple[float, float]:
    """Which share of the image the sample shows, and which of the sample the image covers, laid as their views met.

    Where both views are centres: as far around them as both pictures go, if the thumbnails are as alike there.
    """
    mine = square(*corpus.sizes[candidate.row]) if candidate.region == "square" else WHOLE
    its, turn = benchmark.box(candidate.seen), TURNS[benchmark.view(candidate.seen)[1]]
    if abs(turn.rotation) == 90:
        its = Box(its.top, its.left, its.height, its.width)
    if WHOLE not in (mine, its):
        wider = overlap(mine, its)
        whole = benchmark.thumbnail(benchmark.whole(candidate.seen)).reshape(SIDE, SIDE)
        pair = corpus.thumbnails[candidate.row], turn.apply(whole).reshape(-1)
        one, other = (centre_of(t, box.width, box.height)[None] for t, box in zip(pair, wider, strict=True))
        mine, its = wider if similarity(one, other)[0] >= least else (mine, its)
    return its.width * its.height, mine.width * mine.height


def _by_alignment(
    corpus: Corpus, benchmark: Benchmark, candidate: Candidate, limits: Thresholds, likely: bool
) -> Match | None:
    image = benchmark.image[candidate.seen]
    evidence = aligned(corpus.portrait(candidate.row), benchmark.portraits(image), limits.min_agreement, likely=likely)
    if evidence is None:
        return None
    return Match(candidate.row, image, _proposal(candidate, benchmark) | evidence._asdict())


def _proposal(candidate: Candidate, benchmark: Benchmark) -> dict[str, Any]:
    view = f"{candidate.region}~{''.join(benchmark.view(candidate.seen))}"
    return {"kind": "near", "view": view, "distance": candidate.distance, "cosine": candidate.cosine}


def _better(one: Match, other: Match | None) -> bool:
    """Bytes before thumbnails; of these the nearest hash, then the most alike. The first found stays on a tie."""
    return other is None or _rank(one) < _rank(other)


def _rank(match: Match) -> tuple[Any, ...]:
    evidence = match.evidence
    distance = evidence["distance"]
    return evidence["kind"], evidence["verified_by"] == "alignment", distance, -evidence["score"]


def _table(signatures: pa.Table, benchmark: Benchmark, found: list[Match]) -> pa.Table:
    """One row a match, a sample's best first."""

    def order(match: Match) -> tuple[Any, ...]:
        kind, aligned, distance, score = _rank(match)
        return match.row, kind, aligned, score if distance is None else distance, score, match.image

    found.sort(key=order)
    rows = pa.array([m.row for m in found], pa.int64())
    columns: dict[str, Any] = {name: signatures[name].take(rows) for name in ("shard", "key")}
    for column, name in (("benchmark", "benchmark"), ("benchmark_shard", "shard"), ("benchmark_key", "key")):
        columns[column] = [benchmark.names[m.image][name] for m in found]
    made = [c.name for c in contract("contamination").columns if c.name not in columns]
    columns |= {name: [m.evidence.get(name) for m in found] for name in made}
    return contract("contamination").table(columns)
