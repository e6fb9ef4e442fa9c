"""The demo's closing tables: what was planted, what of it was found, and what became of every URL.

The one place that reads `truth.json`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Read = Callable[[str], pa.Table]
Row = dict[str, Any]
Sample = tuple[str, str]


class Tally(NamedTuple):
    """How many of one edit, or of one kind of duplicate, were planted and found."""

    name: str
    planted: int
    found: int


class Case(NamedTuple):
    """One URL worth naming: what was planted there (or `clean picture`), and what became of it."""

    name: str
    url: str
    fate: str


class Answer(NamedTuple):
    """A planted fault: the status it should get and the one it got."""

    fault: str
    url: str
    expected: str
    got: str

    @property
    def ok(self) -> bool:
        return self.got == self.expected


@dataclass(frozen=True)
class Summary:
    """What the demo has shown; `fates` counts URLs by what became of them and sums up to `urls`."""

    edits: tuple[Tally, ...]
    duplicates: tuple[Tally, ...]
    missed: tuple[Case, ...]
    wrongly_dropped: tuple[Case, ...]
    faults: tuple[Answer, ...]
    fates: dict[str, int]
    urls: int
    kept: int


def summarise(folder: Path, read: Read) -> Summary:
    """Hold the run's decisions against `folder`/truth.json; `read(NAME)` gives a whole dataset as one table."""
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    decisions = read("decisions").to_pylist()
    rows = {row["url"]: row for row in decisions}
    edits = [(one["edit"], url, _is_found(rows.get(url), one["benchmark"])) for url, one in truth["edits"].items()]
    groups, twins = _groups(read("duplicates").to_pylist()), truth["duplicates"].items()
    pairs = [(one["kind"], url, _is_paired(rows.get(url), rows.get(one["original"]), groups)) for url, one in twins]
    return Summary(
        edits=_tallies(edits),
        duplicates=_tallies(pairs),
        missed=tuple(Case(name, url, _fate(rows.get(url))) for name, url, found in edits + pairs if not found),
        wrongly_dropped=tuple(_wrongly_dropped(truth, rows)),
        faults=tuple(
            Answer(one["fault"], url, one["expected"], rows[url]["status"] if url in rows else "no decision")
            for url, one in truth["faults"].items()
        ),
        fates=dict(Counter(_sort_of_fate(row) for row in decisions).most_common()),
        urls=len(decisions),
        kept=sum(row["decision"] == "keep" for row in decisions),
    )


def _is_found(row: Row | None, benchmark: str) -> bool:
    """Whether the copy was dropped as contamination, and the benchmark picture it shows was named."""
    return row is not None and row["rule"] == "contamination" and row["match_key"] == benchmark


def _is_paired(copy: Row | None, original: Row | None, groups: dict[Sample, int]) -> bool:
    """Whether one of the two, or both, were dropped as duplicates, and both stand in one group."""
    if copy is None or original is None or "duplicate" not in (copy["rule"], original["rule"]):
        return False
    group = groups.get(_sample(copy))
    return group is not None and group == groups.get(_sample(original))


def _groups(duplicates: list[Row]) -> dict[Sample, int]:
    """The group of every sample that has or is a duplicate."""
    of = {_sample(row): row["group"] for row in duplicates}
    return of | {(row["keeper_shard"], row["keeper_key"]): row["group"] for row in duplicates}


def _sample(row: Row) -> Sample:
    return row["shard"], row["key"]


def _wrongly_dropped(truth: Row, rows: dict[str, Row]) -> Iterable[Case]:
    """Clean pictures that were not kept, and pairs of duplicates of which nothing was kept."""
    for url in truth["clean"]:
        if _fate(rows.get(url)) != "kept":
            yield Case("clean picture", url, _fate(rows.get(url)))
    for copy, one in truth["duplicates"].items():
        fates = [_fate(rows.get(url)) for url in (one["original"], copy)]
        if "kept" not in fates:
            yield Case("both of a pair", one["original"], fates[0])


def _tallies(cases: Iterable[tuple[str, str, bool]]) -> tuple[Tally, ...]:
    """Count by name, in order of appearance."""
    planted, found = Counter[str](), Counter[str]()
    for name, _, is_found in cases:
        planted[name] += 1
        found[name] += is_found
    return tuple(Tally(name, planted[name], found[name]) for name in planted)


def _sort_of_fate(row: Row) -> str:
    """`kept`, the status of a failure, or the rule that dropped it."""
    if row["decision"] == "keep":
        return "kept"
    return str(row["status"] if row["rule"] == "status" else row["rule"])


def _fate(row: Row | None) -> str:
    """What became of one URL, with the evidence."""
    if row is None:
        return "no decision"
    evidence = row["match_key"] or row["detail"]
    sort = _sort_of_fate(row)
    return sort if sort == "kept" or not evidence else f"{sort} ({evidence})"


def rendered(summary: Summary) -> Group:
    """The summary for the terminal; text of the web is shown as plain characters, never as markup."""
    parts: list[RenderableType] = [_found_table(summary)]
    parts += _cases("missed", summary.missed) + _cases("wrongly dropped", summary.wrongly_dropped)
    parts += [_fault_table(summary.faults), _fate_table(summary)]
    return Group(*parts)


def _found_table(summary: Summary) -> Table:
    table = _table("Planted and found", "planted", "#count", "#found", "")
    for section in (summary.edits, summary.duplicates):
        for name, planted, found in section:
            table.add_row(name, str(planted), str(found), _verdict(planted == found, f"{planted - found} missed"))
        table.add_section()
    return table


def _fault_table(faults: tuple[Answer, ...]) -> Table:
    table = _table("Faults of the web", "planted", "expected", "got", "")
    for answer in faults:
        table.add_row(answer.fault, answer.expected, answer.got, _verdict(answer.ok, "not as expected"))
    return table


def _fate_table(summary: Summary) -> Table:
    table = _table("What became of the URLs", "fate", "#URLs", "#share")
    for fate, count in summary.fates.items():
        table.add_row(fate, str(count), f"{count / summary.urls:.1%}")
    table.add_section()
    table.add_row("all", str(summary.urls), f"kept: {summary.kept}")
    return table


def _table(title: str, *columns: str) -> Table:
    """A table; columns whose name starts with `#` hold numbers."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column.removeprefix("#"), justify="right" if column.startswith("#") else "left")
    return table


def _verdict(ok: bool, otherwise: str) -> Text:
    return Text("ok", "green") if ok else Text(otherwise, "red")


def _cases(title: str, cases: tuple[Case, ...]) -> list[Text]:
    """One line a case, or a line that says there is none."""
    if not cases:
        return [Text(f"{title}: none\n")]
    return [Text(f"{title}:"), *(Text(_plain(f"  {name}: {url}: {fate}")) for name, url, fate in cases), Text()]


def _plain(text: str) -> str:
    """The text without characters that could steer the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
