"""Which of the matches found count when samples are decided on."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.runfile import RunFile


def counted(run: RunFile, matches: pa.Table) -> pa.Table:
    """Rows of contract `contamination` less those of train splits, which are told, but on which nothing is decided."""
    learned = pa.array(_learned(run), pa.string())
    return matches.filter(pc.invert(pc.is_in(matches["benchmark"], value_set=learned)))


def deciding(run: RunFile) -> dict[str, Any]:
    """The settings that decide what may stay: those of `decisions`, and which benchmarks do not count."""
    learned = _learned(run)
    return {**run.decisions.recipe(), **({"learned": learned} if learned else {})}


def _learned(run: RunFile) -> list[str]:
    return sorted(name for name, where in run.benchmarks.items() if where.role == "train")
