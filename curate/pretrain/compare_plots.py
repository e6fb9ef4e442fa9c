"""The experiment as pictures."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from curate.pretrain.compared import KINDS, Compared
from curate.pretrain.pictures import AFTER, BEFORE, GREY, png, soften
from curate.pretrain.result import Estimate

_COLOURS = dict(zip(KINDS, (BEFORE, AFTER, GREY), strict=True))


def outcomes(result: Compared) -> bytes:
    """For every benchmark, the gap between contaminated and untouched images by share planted and kind of training."""
    names = list(dict.fromkeys(one.benchmark for one in result.outcomes))
    shares = sorted({one.share for one in result.outcomes})

    def fill(figure: Figure) -> None:
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            for place, kind in enumerate(KINDS):
                found = [
                    (o.share, t.gap)
                    for o in result.outcomes
                    if o.benchmark == name
                    for t in o.trained
                    if t.kind == kind
                ]
                points = [(shares.index(share) + (place - 1) * 0.12, gap) for share, gap in found if gap is not None]
                axes.errorbar(*_bars(points), color=_COLOURS[kind], label=kind, fmt="o", capsize=3)
            axes.axhline(0, color=GREY, linewidth=0.8)
            axes.set_xticks(range(len(shares)), [f"{share:.0%}" for share in shares])
            axes.set_xlim(-0.5, len(shares) - 0.5)
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.set(title=name, xlabel="images planted", ylabel="contaminated less untouched")
            axes.title.set_color(GREY)
            axes.legend(labelcolor=GREY, frameon=False)
            soften(axes)

    return png(fill, (4.5 * len(names), 3.5))


def scales(result: Compared) -> bytes:
    """For every benchmark, accuracy by the share of the clean samples, a line a model."""
    names = list(dict.fromkeys(one.benchmark for one in result.scales))
    models = list(dict.fromkeys(one.model for one in result.scales))

    def fill(figure: Figure) -> None:
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            for model in models:
                points = [(s.subset, s.accuracy) for s in result.scales if (s.benchmark, s.model) == (name, model)]
                axes.errorbar(*_bars(points), label=f"ViT-{model}", fmt="o-", capsize=3)
            axes.set(title=name, xlabel="share of the clean samples", ylabel="accuracy")
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            axes.title.set_color(GREY)
            axes.legend(labelcolor=GREY, frameon=False)
            soften(axes)

    return png(fill, (4.5 * len(names), 3.5))


def _bars(points: list[tuple[float, Estimate]]) -> tuple[list[float], list[float], list[list[float]]]:
    """Places, heights, and how far the intervals reach down and up."""
    low = [e.mean - e.low for _, e in points]
    high = [e.high - e.mean for _, e in points]
    return [x for x, _ in points], [e.mean for _, e in points], [low, high]
