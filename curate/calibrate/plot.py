"""The curves as a picture: recall and false pairs over the threshold, one panel a check."""

from __future__ import annotations

import io

from curate.calibrate.measure import Measured

_TITLES = {"min_similarity": "thumbnails of near hashes", "min_agreement": "alignment"}


def png(name: str, rate: float, found: Measured) -> bytes | None:
    """Draw the curves of benchmark `name`; None without matplotlib, which comes with the extra `models`."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(11, 4.2), dpi=110, layout="constrained")
    figure.suptitle(f"{name}: each check alone, over its threshold")
    for axes, (check, points) in zip(figure.subplots(1, 2), found.curves.items(), strict=True):
        at = [point.threshold for point in points]
        axes.plot(at, [100 * point.recall for point in points], color="#2f6fb7", label="copies found, %")
        axes.axvline(found.choices[check].threshold, color="#5b6570", linestyle=":", label="chosen")
        axes.set(xlabel=check, ylabel="copies found, %", ylim=(-2, 102), title=_TITLES[check])
        false = axes.twinx()
        bound = [point.at_most_per_million for point in points]
        false.plot(at, bound, color="#c2562d", linestyle="--", label="at most (95 %)")
        seen = [point.false_per_million or float("nan") for point in points]
        false.plot(at, seen, color="#c2562d", label="false pairs seen")
        false.axhline(1e6 * rate, color="#c2562d", linewidth=0.6, label="asked for")
        false.set(yscale="log", ylabel="false pairs a million")
        lines = [*axes.get_lines()[:2], *false.get_lines()]
        axes.legend(lines, [str(line.get_label()) for line in lines], loc="lower left", fontsize=8)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})  # the same curves, the same bytes
    return out.getvalue()
