"""The comparisons as a table on the terminal, CSV, JSON and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from curate.overlap.comparison import LEVEL, Comparison

VERSION = 1
SIGNIFICANT = 0.05


def rows(found: Sequence[Comparison]) -> list[dict[str, Any]]:
    """One flat row a benchmark; shares are 0 to 1."""
    return [
        {
            "benchmark": one.benchmark,
            **{f"{side}_images": getattr(one, side).images for side in ("all", "overlap", "clean")},
            **{f"{side}_accuracy": getattr(one, side).accuracy for side in ("all", "overlap", "clean")},
            "overlap_share": one.overlap_share,
            "overlap_minus_clean": one.difference,
            "overlap_minus_clean_low": one.low,
            "overlap_minus_clean_high": one.high,
            "all_minus_clean": one.effect,
            "all_minus_clean_low": one.effect_low,
            "all_minus_clean_high": one.effect_high,
            "p": one.p,
            "p_bonferroni": one.p_bonferroni,
        }
        for one in found
    ]


def as_json(found: Sequence[Comparison], notes: Sequence[str]) -> dict[str, Any]:
    """The JSON file's content; the same comparisons give the same bytes."""
    return {"version": VERSION, "interval": LEVEL, "benchmarks": rows(found), "left_out": list(notes)}


def as_csv(found: Sequence[Comparison]) -> bytes:
    """The rows with a header; a name that a spreadsheet would take for a formula is quoted."""
    out = io.StringIO(newline="")
    listed = rows(found)
    writer = csv.DictWriter(out, list(listed[0]))
    writer.writeheader()
    for row in listed:
        name = row["benchmark"]
        writer.writerow({**row, "benchmark": f"'{name}" if name.startswith("-") else name})
    return out.getvalue().encode()


def as_latex(found: Sequence[Comparison]) -> bytes:
    """A tabular for booktabs, in percent; p with Bonferroni's beside it, bold where that is below .05."""
    head = "Benchmark & Images & In corpus & All & Overlap & Clean & Overlap $-$ Clean & All $-$ Clean & $p$"
    lines = [r"\begin{tabular}{lrrrrrlrl}", r"\toprule", rf"{head} \\", r"\midrule"]
    for one in found:
        cells = [one.benchmark.replace("_", r"\_"), f"{one.all.images:,}", *_cells(one)]
        told = [cell.replace("%", r"\%").replace("−", "$-$").replace("–", "--") for cell in cells]
        bold = one.p_bonferroni is not None and one.p_bonferroni < SIGNIFICANT
        told[-1] = rf"\textbf{{{told[-1]}}}" if bold else told[-1]
        lines.append(" & ".join(told) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""]).encode()


def table(found: Sequence[Comparison]) -> Table:
    """The table on the terminal, in percent."""
    shown = Table(title="Accuracy on all images, on those the corpus shows, and on the others", title_justify="left")
    heads = ("benchmark", "images", "in corpus", "All", "Overlap", "Clean", "Overlap − Clean (99.5 %)", "All − Clean")
    for head in (*heads, "p (times benchmarks)"):
        shown.add_column(head, justify="left" if head == "benchmark" else "right")
    for one in found:
        bold = one.p_bonferroni is not None and one.p_bonferroni < SIGNIFICANT
        shown.add_row(one.benchmark, f"{one.all.images:,}", *_cells(one), style="bold" if bold else "")
    return shown


def _cells(one: Comparison) -> list[str]:
    """Overlap's share, the three accuracies, both differences with the interval, and the p values."""
    accuracies = [_percent(side.accuracy) for side in (one.all, one.overlap, one.clean)]
    difference = f"{_signed(one.difference)} ({_signed(one.low)} to {_signed(one.high)})" if one.p is not None else "–"
    p = f"{one.p:.2g} ({one.p_bonferroni:.2g})" if one.p is not None else "–"
    return [_percent(one.overlap_share), *accuracies, difference, _signed(one.effect), p]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.2%}"


def _signed(difference: float | None) -> str:
    """In percentage points, with a true minus sign."""
    return "–" if difference is None else f"{100 * difference:+.2f}".replace("-", "−")
