"""What was found of each edit, by each detector: counted, and put as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Scores = NDArray[np.float32]
OURS = "curate"
LOOKALIKES, CALIBRATED = "lookalikes", "lookalikes, calibrated"
"""At the thresholds for any benchmark, and, ours alone, at those that `curate calibrate` chooses for this one."""

FLOORS = {
    **dict.fromkeys(("JPEG q10", "resize 50 %", "squash to square", "blur 2", "grey"), 0.995),
    **dict.fromkeys(("brightness + contrast 1.4", "saturation 2", "noise 15", "text overlay"), 0.995),
    **dict.fromkeys(("resize to 32 px", "mirror", "quarter turn", "crop to 90 %", "crop to 70 %"), 0.99),
    **dict.fromkeys(("evaluation crop", "10 % border", "20 % banner", "rotate 3 degrees + crop"), 0.99),
    **{"crop to 50 %": 0.98, "crop to 30 %": 0.96, "rotate 15 degrees": 0.98, "paste at half area": 0.96},
    **{"tile of a collage": 0.90, "three edits, 64 px": 0.92},
}
"""Least recall of ours on each edit of the table."""
LOOKALIKE_FLOOR, LOOKALIKE_FALSE = 0.95, 2
FALSE_PER_MILLION = 1.0


class Column(NamedTuple):
    """One detector at one threshold: pairs of that score or more are what it calls copies."""

    name: str
    scores: Mapping[str, Scores]
    """Of each trial: (pictures, benchmark), where row i shows benchmark picture i."""
    threshold: float


class Count(NamedTuple):
    """Of one trial: pictures, those whose original was named, pairs of unrelated pictures, those called copies."""

    pictures: int
    found: int
    unrelated: int
    false: int

    @property
    def recall(self) -> float:
        """The share found."""
        return self.found / self.pictures

    def interval(self) -> tuple[float, float]:
        """The recall's 95 % Clopper-Pearson interval."""
        n, k = self.pictures, self.found
        low = beta.ppf(0.025, k, n - k + 1) if k else 0.0
        high = beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
        return float(low), float(high)


def count(scores: Scores, threshold: float) -> Count:
    """Count one trial."""
    named = scores >= threshold
    found = int(np.trace(named))  # (i, i)
    return Count(len(named), found, named.size - len(named), int(named.sum()) - found)


def threshold_for(scores: Sequence[Scores], per_million: float = FALSE_PER_MILLION) -> float:
    """The least threshold with no more false pairs than that, on these trials."""
    unrelated = np.concatenate([s[~np.eye(*s.shape, dtype=np.bool_)] for s in scores])
    allowed = int(len(unrelated) * per_million / 1e6)
    first_too_many = np.partition(unrelated, -allowed - 1)[-allowed - 1]
    return float(np.nextafter(first_too_many, np.float32(np.inf)))


class Table(NamedTuple):
    """The counts of all columns: column -> trial -> Count."""

    counts: dict[str, dict[str, Count]]
    thresholds: dict[str, float]

    def false(self, column: str) -> tuple[int, int]:
        """False pairs and unrelated pairs of all edits together, lookalikes aside."""
        rows = [c for trial, c in self.counts[column].items() if trial in FLOORS]
        return sum(c.false for c in rows), sum(c.unrelated for c in rows)


def tabulate(columns: Sequence[Column]) -> Table:
    """Count every trial of every column."""
    counts = {c.name: {trial: count(s, c.threshold) for trial, s in c.scores.items()} for c in columns}
    return Table(counts, {c.name: c.threshold for c in columns})


def cells(table: Table) -> list[list[str]]:
    """The table as text: a head, a row an edit, then false pairs and lookalikes."""
    names = list(table.counts)
    rows = [["edit", "n", "floor", *names]]
    for edit, floor in FLOORS.items():
        counts = [table.counts[name][edit] for name in names]
        rows.append([edit, str(counts[0].pictures), _percent(floor), *(_percent(c.recall) for c in counts)])
    false = [table.false(name) for name in names]
    pairs = f"{false[0][1] / 1e6:.2f} M"
    rows.append(["false pairs", pairs, "", *(f"{wrong:,}" for wrong, _ in false)])
    rows.append(["a million", "", "1", *(f"{wrong / of * 1e6:,.2f}" for wrong, of in false)])
    for trial in _lookalikes(table):
        tried = [table.counts[name].get(trial) for name in names]
        pictures, unrelated = next((c.pictures, c.unrelated) for c in tried if c)
        found = [_percent(c.recall) if c else "" for c in tried]
        rows.append([trial, str(pictures), _percent(LOOKALIKE_FLOOR), *found])
        wrong = [f"{c.false:,}" if c else "" for c in tried]
        rows.append(["  false pairs", f"{unrelated:,}", str(LOOKALIKE_FALSE), *wrong])
    return rows


def aligned(rows: list[list[str]]) -> str:
    """Rows as columns of even width."""
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [[cell.rjust(width) for cell, width in zip(row, wide, strict=True)] for row in rows]
    return "\n".join("  ".join([row[0].ljust(wide[0]), *line[1:]]) for row, line in zip(rows, lines, strict=True))


def markdown(rows: list[list[str]]) -> str:
    """Rows as a Markdown table."""
    lines = ["| " + " | ".join(c.strip().replace("|", "\\|") for c in row) + " |" for row in rows]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(rows[0]) - 1), *lines[1:]])


def shortfalls(table: Table, name: str = OURS, rival: str | None = None) -> list[str]:
    """What falls short of a floor, or of `rival`, one sentence each; none when all is reached."""
    mine, found = table.counts[name], []
    lookalikes = [trial for trial in _lookalikes(table) if trial in mine]
    floors: dict[str, float] = {**FLOORS, **dict.fromkeys(lookalikes, LOOKALIKE_FLOOR)}
    for trial, floor in floors.items():
        got, (low, high) = mine[trial], mine[trial].interval()
        if got.recall < floor:
            span = f"95 % interval {_percent(low)} to {_percent(high)}"
            found.append(f"{trial}: {_percent(got.recall)} of {got.pictures} ({span}), floor {_percent(floor)}")
        if rival and trial in FLOORS and got.found < table.counts[rival][trial].found:
            found.append(f"{trial}: {got.found} found, {rival} {table.counts[rival][trial].found}")
    wrong, of = table.false(name)
    if wrong / of * 1e6 > FALSE_PER_MILLION:
        found.append(f"false pairs: {wrong} of {of:,}, more than {FALSE_PER_MILLION:g} a million")
    for trial in lookalikes:
        if mine[trial].false > LOOKALIKE_FALSE:
            found.append(f"{trial}: {mine[trial].false} false pairs, at most {LOOKALIKE_FALSE}")
    return found


def as_json(table: Table) -> dict[str, object]:
    """All counts by name, for machines."""
    columns = {
        name: {"threshold": table.thresholds[name], "trials": {t: c._asdict() for t, c in trials.items()}}
        for name, trials in table.counts.items()
    }
    return {"floors": FLOORS, "columns": columns}


def _lookalikes(table: Table) -> list[str]:
    return [trial for trial in (LOOKALIKES, CALIBRATED) if any(trial in counts for counts in table.counts.values())]


def _percent(share: float) -> str:
    """Whole per cent as such, and never 100 for less."""
    down = int(share * 1000 + 1e-9) / 10
    return f"{down:g}"
