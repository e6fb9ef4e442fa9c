"""The audit's table on the terminal, and as CSV, LaTeX, Parquet and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import pyarrow as pa
from rich.table import Table
from rich.text import Text

from curate.report.audit import Row

VERSION = 1
ROLES = {
    "test": "test split: what shows it is dropped",
    "leak": "leak into its own train split: what shows it is dropped",
    "train": "train split: told, drops nothing",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_TEX = {c: rf"\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def as_json(rows: Sequence[Row], proved: int | None, removed: dict[str, Any]) -> dict[str, Any]:
    """The JSON file's content; the same audit gives the same bytes."""
    return {"version": VERSION, "benchmarks": list(map(asdict, rows)), "proved": proved, "removed": removed}


def as_csv(rows: Sequence[Row]) -> bytes:
    """The rows with a header; text that a spreadsheet would take for a formula is quoted by an apostrophe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([f.name for f in fields(Row)])
    for row in rows:
        writer.writerow([quoted(value) for value in asdict(row).values()])
    return out.getvalue().encode()


def quoted(value: Any) -> Any:
    """A cell of a CSV file that no spreadsheet runs."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def as_parquet(rows: Sequence[Row]) -> pa.Table:
    """The rows, of the types that they are of, even where all are empty."""
    kinds = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "float | None": pa.float64()}
    schema = pa.schema([(f.name, kinds[str(f.type)]) for f in fields(Row)])
    return pa.Table.from_pylist(list(map(asdict, rows)), schema=schema)


def as_latex(rows: Sequence[Row]) -> bytes:
    """A tabular for booktabs, in percent."""
    heads = ["Benchmark", "Images", "Found", "95 % interval", "Samples", "Byte-equal", "Near", "Recall"]
    lines = [r"\begin{tabular}{lrrrrrrr}", r"\toprule", _tex_line(heads), r"\midrule"]
    for row in rows:
        counts = [f"{row.samples:,}", f"{row.byte_equal:,}", f"{row.near:,}", recall(row)]
        lines.append(_tex_line([row.benchmark, f"{row.images:,}", found(row), interval(row), *counts]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""]).encode()


def _tex_line(cells: Sequence[str]) -> str:
    return " & ".join(escaped(cell) for cell in cells) + r" \\"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_TEX.get(c, c) for c in text)


def tables(rows: Sequence[Row]) -> tuple[Table, Table]:
    """What of each benchmark is in the corpus; and how it was found."""
    leak = any(row.role == "leak" for row in rows)
    what = Table(title="Leaks of the benchmark into the corpus" if leak else "Benchmarks in the corpus")
    how = Table(title="How it was found")
    heads = ("benchmark", "images", "leaked" if leak else "contaminated", "95 % interval", "corpus samples")
    _columns(what, *heads, "byte-equal", "near", "image and label", "image only", "role")
    _columns(how, "benchmark", "pairs", *("mirrored", "turned", "cut", "framed", "unchanged"), "thresholds", "recall")
    for row in rows:
        samples = [f"{n:,}" for n in (row.samples, row.byte_equal, row.near)]
        what.add_row(
            row.benchmark, f"{row.images:,}", found(row), interval(row), *samples, *labels(row), ROLES[row.role]
        )
        done = [f"{n:,}" for n in (row.pairs, row.mirrored, row.turned, row.cut, row.framed, row.unchanged)]
        how.add_row(row.benchmark, *done, Text(thresholds(row)), recall(row))
    return what, how


def _columns(table: Table, *names: str) -> None:
    table.title_justify = "left"
    for name in names:
        table.add_column(name, justify="left" if name in ("benchmark", "role", "thresholds") else "right")


def found(row: Row) -> str:
    """`12 (0.12 %)`."""
    return f"{row.found:,} ({row.share:.2%})"


def interval(row: Row) -> str:
    """Of the share of images found, Wilson's."""
    return f"{row.low:.2%}–{row.high:.2%}"


def labels(row: Row) -> tuple[str, str]:
    """Images shown with their label, and without; dashes where nobody can tell."""
    if not row.with_label + row.image_only:
        return "–", "–"
    unknown = f" (+ {row.label_unknown:,} not known)" if row.label_unknown else ""
    return f"{row.with_label:,}", f"{row.image_only:,}{unknown}"


def thresholds(row: Row) -> str:
    """`.92 / .5 (defaults)`: of thumbnails, and after alignment."""
    few = "" if row.false_per_million is None else f", at most {row.false_per_million:.3g} false of a million pairs"
    return f"{row.min_similarity:g} / {row.min_agreement:g} ({row.calibration}{few})"


def recall(row: Row) -> str:
    """What share of edited copies this audit found, with its exact interval."""
    if row.recall is None:
        return "not measured"
    return f"{row.recall:.1%} ({row.recall_low:.1%}–{row.recall_high:.1%})"
