"""What the experiment found, and how sure it is: differences of images, paired where the images are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from scipy.special import stdtrit

from curate.pretrain.result import Estimate

KINDS = ("dirty", "clean", "random")

Right = NDArray[np.float64]
"""How often each image was told right over the seeds, (N,) 0 to 1."""


@dataclass(frozen=True)
class Trained:
    """One kind of training: samples trained on, accuracy on images with planted copies and on all others, and the gap.

    The gap is the first less the second; its interval is Welch's, over the images.
    """

    kind: str
    samples: int
    contaminated: Estimate | None
    untouched: Estimate | None
    gap: Estimate | None


@dataclass(frozen=True)
class Paired:
    """Accuracy of the first kind less that of the second on the same images, from the same seeds; over the images."""

    first: str
    second: str
    contaminated: Estimate | None
    untouched: Estimate | None


@dataclass(frozen=True)
class Outcome:
    """One benchmark at one share of planted images: `planted` of `images` have copies in the corpus."""

    share: float
    benchmark: str
    images: int
    planted: int
    trained: tuple[Trained, ...]
    paired: tuple[Paired, ...]


@dataclass(frozen=True)
class Scale:
    """Accuracy of a model trained on a share of the clean samples; Student's interval, over the seeds."""

    model: str
    subset: float
    benchmark: str
    accuracy: Estimate

    @classmethod
    def of(cls, model: str, subset: float, benchmark: str, each: list[float]) -> Scale:
        """From the accuracy of each seed."""
        found = mean(np.array(each))
        assert found is not None
        return cls(model, subset, benchmark, found)


def outcome(
    share: float,
    benchmark: str,
    planted: NDArray[np.bool_],
    right: Mapping[str, NDArray[np.bool_]],
    samples: Mapping[str, int],
) -> Outcome:
    """Compare the kinds: `planted` (N,) and, by kind, `right` (seeds, N)."""
    often = {kind: each.mean(axis=0) for kind, each in right.items()}
    return Outcome(
        share=share,
        benchmark=benchmark,
        images=len(planted),
        planted=int(planted.sum()),
        trained=tuple(
            Trained(kind, samples[kind], mean(x[planted]), mean(x[~planted]), difference(x[planted], x[~planted]))
            for kind, x in often.items()
        ),
        paired=tuple(
            Paired(a, b, mean((often[a] - often[b])[planted]), mean((often[a] - often[b])[~planted]))
            for a, b in (("dirty", "clean"), ("dirty", "random"), ("random", "clean"))
        ),
    )


def mean(x: Right) -> Estimate | None:
    """Mean and Student's 95 % interval; None of less than two."""
    if len(x) < 2:
        return None
    half = float(stdtrit(len(x) - 1, 0.975) * x.std(ddof=1)) / len(x) ** 0.5
    return Estimate(float(x.mean()), float(x.mean()) - half, float(x.mean()) + half)


def difference(x: Right, y: Right) -> Estimate | None:
    """Mean of x less mean of y, and Welch's 95 % interval; None when either has less than two."""
    if len(x) < 2 or len(y) < 2:
        return None
    a, b = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    found = float(x.mean() - y.mean())
    if a + b == 0:
        return Estimate(found, found, found)
    freedom = (a + b) ** 2 / (a**2 / (len(x) - 1) + b**2 / (len(y) - 1))
    half = float(stdtrit(freedom, 0.975) * np.sqrt(a + b))
    return Estimate(found, found - half, found + half)


def verdict(found: Estimate | None) -> str:
    """Plain words for a difference."""
    if found is None:
        return "too few images"
    if found.low <= 0 <= found.high:
        return "not told from none: the interval includes zero"
    return "above zero" if found.low > 0 else "below zero"


@dataclass(frozen=True)
class Compared:
    """The whole experiment, on which clean shards (`clean`, digest of their content).

    `compare/summary.json` holds the same, `compare.png` and `scales.png` show it.
    """

    folder: str
    clean: str
    objective: str
    seeds: int
    outcomes: tuple[Outcome, ...]
    scales: tuple[Scale, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console, options
        for one in self.outcomes:
            yield _gaps(one, self.seeds)
            yield _differences(one)
        if self.scales:
            yield _scaled(self.scales)
        yield f"plots and numbers: {self.folder}"


def _gaps(one: Outcome, seeds: int) -> Table:
    title = (
        f"{one.benchmark}: {one.planted} of {one.images} images planted, means of {seeds} trainings, 95 % over images"
    )
    table = Table(title=title, title_justify="left")
    for column in ("trained on", "samples", "contaminated", "untouched", "gap", ""):
        table.add_column(column, justify="right" if column == "samples" else "left")
    for t in one.trained:
        table.add_row(t.kind, f"{t.samples:,}", *map(_said, (t.contaminated, t.untouched, t.gap)), verdict(t.gap))
    return table


def _differences(one: Outcome) -> Table:
    table = Table(title=f"{one.benchmark}: the same images, the same seeds", title_justify="left")
    for column in ("difference", "on contaminated", "", "on untouched", ""):
        table.add_column(column)
    for p in one.paired:
        first, second = p.contaminated, p.untouched
        table.add_row(f"{p.first} - {p.second}", _said(first), verdict(first), _said(second), verdict(second))
    return table


def _scaled(scales: tuple[Scale, ...]) -> Table:
    table = Table(title="accuracy by size, 95 % over seeds", title_justify="left")
    for column in ("benchmark", "model", "share of the clean samples", "accuracy"):
        table.add_column(column)
    for s in scales:
        table.add_row(s.benchmark, s.model, f"{s.subset:.0%}", str(s.accuracy))
    return table


def _said(found: Estimate | None) -> str:
    return "" if found is None else str(found)
