"""The two scatters of Radford et al. 2021, figure 17: what overlap does, over how much of it there is."""

from __future__ import annotations

import io
from collections.abc import Sequence

from curate.overlap.comparison import Comparison
from curate.overlap.show import SIGNIFICANT

_COLOURS = {True: "#c2562d", False: "#5b6570"}
_PANELS = (
    ("difference", "low", "high", "accuracy on Overlap less Clean, points"),
    ("effect", "effect_low", "effect_high", "accuracy on All less Clean, points"),
)


def png(found: Sequence[Comparison]) -> bytes | None:
    """Draw the benchmarks that were tested; None where none was, or without matplotlib (extra `models`)."""
    tested = [one for one in found if one.p is not None]
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    if not tested:
        return None
    figure = Figure(figsize=(11, 4.6), dpi=110, layout="constrained")
    for axes, (middle, low, high, label) in zip(figure.subplots(1, 2), _PANELS, strict=True):
        axes.axhline(0, color="#9aa3ab", linewidth=0.8)
        axes.margins(x=0.12)
        for number, one in enumerate(sorted(tested, key=lambda one: one.overlap_share)):
            y, bottom, top = (100 * getattr(one, name) for name in (middle, low, high))
            colour = _COLOURS[(one.p_bonferroni or 0) < SIGNIFICANT]
            x = 100 * one.overlap_share
            axes.errorbar([x], [y], [[y - bottom], [top - y]], fmt="o", color=colour, capsize=2, markersize=4)
            beside = (5, -10) if number % 2 else (5, 4)  # of neighbours one above, one below
            axes.annotate(one.benchmark, (x, y), xytext=beside, textcoords="offset points", fontsize=7)
        axes.set(xlabel="images that the corpus shows, %", ylabel=label)
    figure.suptitle("99.5 % Clopper-Pearson intervals; red: p < .05 after Bonferroni's correction", fontsize=10)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})  # the same comparisons, the same bytes
    return out.getvalue()
