"""One benchmark's calibration: known copies and known strangers scored, thresholds chosen, all of it counted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curate.calibrate.curves import Choice, Floats, Point, choose, curve, grid, most_false
from curate.calibrate.material import Signed
from curate.calibrate.scores import LEAST_COSINE, Proposed, Scored, Scorer
from curate.ops.edits import EDITS
from curate.ops.intervals import at_most, clopper_pearson
from curate.stages.contamination import ContaminationSettings

_SURE_SIMILARITY, _SURE_AGREEMENT = 0.97, 0.9
"""A pair that reaches both is a copy whoever made it: contamination of the corpus, or twins inside the benchmark."""
_NAMED = 10
"""Strangers named, those of the highest scores: they may be copies that nobody planted."""


@dataclass(frozen=True)
class Stranger:
    """A pair that counts as false unless someone looks and sees a copy: a sample or copy, an image, both scores."""

    sample: str
    image: str
    similarity: float
    agreement: float


@dataclass(frozen=True)
class Cost:
    """What `min_cosine` costs and gives: images proposed a sample, and aligned at the most; own images.

    `own` is the share of copies whose own image is on the `shortlist`.
    """

    min_cosine: float
    proposed: float
    aligned: float
    own: float


@dataclass(frozen=True)
class Edit:
    """What is found of the copies by one edit at the thresholds chosen, with the exact 95 % interval."""

    edit: str
    tried: int
    found: int
    recall: float
    low: float
    high: float


@dataclass(frozen=True)
class Measured:
    """A calibration's outcome. `pairs` strangers were held against each other, `false` of them pass the thresholds."""

    choices: dict[str, Choice]
    curves: dict[str, list[Point]]
    recall_at: dict[str, dict[str, list[float]]]
    edits: tuple[Edit, ...]
    pairs: int
    set_aside: int
    false: int
    at_most_per_million: float
    strangers: tuple[Stranger, ...]
    costs: tuple[Cost, ...]


def measure(
    scorer: Scorer, matching: ContaminationSettings, copies: Signed, corpus: Signed | None, rate: float
) -> Measured:
    """Score all pairs, and choose the thresholds for at most `rate` false pairs among unrelated ones."""
    images = len(scorer.benchmark.names)
    known = _Known(scorer, copies)
    others, aside = known.others()
    pairs = len(copies.copies) * (images - 1) - known.laid - aside
    if corpus:
        strangers = [(name, pair) for name, pair in _named(corpus, scorer(corpus.signatures))]
        sure = sum(_is_sure(pair) for _, pair in strangers)
        others += [(name, pair) for name, pair in strangers if not _is_sure(pair)]
        pairs += len(corpus.signatures) * images - sure
        aside += sure
    scores = {"min_similarity": _column(others, "similarity"), "min_agreement": _column(others, "agreement")}
    curves = {check: curve(grid(check), known.own[check], scores[check], pairs) for check in scores}
    allowed = most_false(rate, pairs)
    each = None if allowed is None else allowed // 2
    defaults = matching.model_dump()
    choices = {check: choose(curves[check], each, defaults[check]) for check in scores}
    passed = _passes(scores, choices)
    return Measured(
        choices=choices,
        curves=curves,
        recall_at={check: _by_edit(copies, known.own[check], grid(check)) for check in scores},
        edits=tuple(_edits(copies, _passes(known.own, choices))),
        pairs=pairs,
        set_aside=aside,
        false=int(passed.sum()),
        at_most_per_million=1e6 * at_most(int(passed.sum()), pairs),
        strangers=tuple(_nearest(others, scorer)),
        costs=tuple(_costs(scorer, copies, corpus, matching)),
    )


Named = tuple[str, Scored]


class _Known:
    """The scored pairs of copies, told apart: with their own image, with the ground they lie on, with others."""

    def __init__(self, scorer: Scorer, copies: Signed) -> None:
        numbers = {f"{n['shard']}:{n['key']}": number for number, n in enumerate(scorer.benchmark.names)}
        self._right = [numbers[copy.key] for copy in copies.copies]
        self._ground = [numbers.get(copy.ground, -1) for copy in copies.copies]
        self._pairs = scorer(copies.signatures)
        self._said = [f"{copy.key}, {copy.edit}" for copy in copies.copies]
        self.laid = sum(ground >= 0 for ground in self._ground)
        self.own = {"min_similarity": np.full(len(self._right), -1.0), "min_agreement": np.zeros(len(self._right))}
        for pair in self._pairs:
            if pair.image == self._right[pair.row]:
                self.own["min_similarity"][pair.row] = pair.similarity
                self.own["min_agreement"][pair.row] = pair.agreement

    def others(self) -> tuple[list[Named], int]:
        """Pairs with images that the copy does not show; and how many more were set aside, with twins of its own."""
        other = [pair for pair in self._pairs if pair.image not in (self._right[pair.row], self._ground[pair.row])]
        twins = {(self._right[pair.row], pair.image) for pair in other if _is_sure(pair)}
        twins |= {(b, a) for a, b in twins}
        false = [
            (self._said[pair.row], pair)
            for pair in other
            if not {(self._right[pair.row], pair.image), (self._ground[pair.row], pair.image)} & twins
        ]
        return false, len(other) - len(false)


def _is_sure(pair: Scored) -> bool:
    return pair.similarity >= _SURE_SIMILARITY and pair.agreement >= _SURE_AGREEMENT


def _named(corpus: Signed, pairs: Iterable[Scored]) -> Iterable[Named]:
    shards, keys = (corpus.signatures[name].to_pylist() for name in ("shard", "key"))
    return ((f"{shards[pair.row]}:{keys[pair.row]}", pair) for pair in pairs)


def _column(pairs: Sequence[Named], name: str) -> Floats:
    return np.array([getattr(pair, name) for _, pair in pairs], np.float64)


def _passes(scores: dict[str, Floats], choices: dict[str, Choice]) -> Any:
    """Which pairs count: those of which one score reaches its threshold, (N,) bool."""
    return np.any([scores[check] >= choice.threshold for check, choice in choices.items()], axis=0)


def _by_edit(copies: Signed, own: Floats, thresholds: Floats) -> dict[str, list[float]]:
    """Recall of one check alone by edit, one value a threshold."""
    edits = np.array([copy.edit for copy in copies.copies])
    of = {edit: own[edits == edit] for edit in EDITS if (edits == edit).any()}
    return {edit: [float((mine >= t).mean().round(4)) for t in thresholds] for edit, mine in of.items()}


def _edits(copies: Signed, found: Any) -> Iterable[Edit]:
    edits = np.array([copy.edit for copy in copies.copies])
    for edit in [*(edit for edit in EDITS if (edits == edit).any()), "all"]:
        mine = found if edit == "all" else found[edits == edit]
        tried, right = len(mine), int(mine.sum())
        yield Edit(edit, tried, right, right / tried, *clopper_pearson(right, tried))


def _nearest(others: Sequence[Named], scorer: Scorer) -> Iterable[Stranger]:
    ranked = sorted(others, key=lambda named: (-max(named[1].similarity, named[1].agreement), named[0], named[1].image))
    for said, pair in ranked[:_NAMED]:
        image = scorer.benchmark.names[pair.image]
        yield Stranger(said, f"{image['shard']}:{image['key']}", round(pair.similarity, 4), round(pair.agreement, 4))


def _costs(scorer: Scorer, copies: Signed, corpus: Signed | None, matching: ContaminationSettings) -> Iterable[Cost]:
    """For a range of `min_cosine`; candidates are counted of the corpus, of the copies where there is none."""
    if not scorer.benchmark.embeddings:
        return
    mine = scorer.near(copies.signatures)
    samples = scorer.near(corpus.signatures) if corpus else mine
    count = len(corpus.signatures) if corpus else len(copies.copies)
    names = [f"{n['shard']}:{n['key']}" for n in scorer.benchmark.names]
    right = np.array([names.index(copy.key) for copy in copies.copies])
    own = (mine.image == right[mine.row]) & (_rank(mine) < matching.shortlist)
    few = _rank(samples) < matching.most_candidates
    for least in np.arange(LEAST_COSINE, 0.91, 0.1).round(1).tolist():
        near = samples.cosine >= np.float32(least)
        yield Cost(
            least,
            float(near.sum() / count),
            float((near & few).sum() / count),
            float((own & (mine.cosine >= np.float32(least))).sum() / len(right)),
        )


def _rank(near: Proposed) -> Any:
    """How many images are nearer to the same sample: (P,) int64."""
    order = np.lexsort((near.image, -near.cosine, near.row))
    starts = np.searchsorted(near.row[order], near.row[order], side="left")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - starts
    return rank
