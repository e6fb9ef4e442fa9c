"""All, Overlap and Clean: accuracy on a benchmark's images, on those that the corpus shows, and on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from curate.ops.intervals import clopper_pearson

LEVEL = 0.995
"""Of the intervals, as in Radford et al. 2021."""


@dataclass(frozen=True)
class Split:
    """Images of a benchmark that have a prediction, and how many are right."""

    images: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """The share that is right, None of nothing."""
        return self.right / self.images if self.images else None


@dataclass(frozen=True)
class Comparison:
    """One benchmark; shares are 0 to 1, and None where a side has no images.

    `difference` is Overlap - Clean, between `low` and `high`: the 99.5 % Clopper-Pearson interval of Overlap's
    accuracy, less Clean's. `effect` is All - Clean, between `effect_low` and `effect_high`. `p` is the chance that as
    many of Overlap, or more, are right if its accuracy were Clean's (binomial, one-tailed); `p_bonferroni` that times
    the number of benchmarks tested, at most 1.
    """

    benchmark: str
    all: Split
    overlap: Split
    clean: Split
    overlap_share: float
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    p: float | None = None
    p_bonferroni: float | None = None


def compare(benchmark: str, overlap: Split, clean: Split) -> Comparison:
    """Compare one benchmark's two sides; where one is empty, only the accuracies are known."""
    from scipy.stats import binomtest

    every = Split(overlap.images + clean.images, overlap.right + clean.right)
    share = overlap.images / every.images if every.images else 0.0
    found = Comparison(benchmark, every, overlap, clean, share)
    if overlap.accuracy is None or clean.accuracy is None:
        return found
    low, high = (edge - clean.accuracy for edge in clopper_pearson(overlap.right, overlap.images, LEVEL))
    return replace(
        found,
        difference=overlap.accuracy - clean.accuracy,
        low=low,
        high=high,
        effect=share * (overlap.accuracy - clean.accuracy),
        effect_low=share * low,
        effect_high=share * high,
        p=float(binomtest(overlap.right, overlap.images, clean.accuracy, alternative="greater").pvalue),
    )


def corrected(found: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with Bonferroni's correction for as many tests as were made."""
    tests = sum(one.p is not None for one in found)
    return [one if one.p is None else replace(one, p_bonferroni=min(1.0, tests * one.p)) for one in found]
