"""What the verdicts say of the audit: its precision, from a random sample that was drawn before anybody looked."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.ops.intervals import clopper_pearson
from curate.review.settings import ReviewSettings
from curate.review.verdicts import PAIR, name_of, read
from curate.store import Store


@dataclass(frozen=True)
class Precision:
    """Of `drawn` near matches of a benchmark (`all`: of any), what people said, and the share that is right.

    `precision` is same / (same + different), None before the first; `low` to `high` is its exact 95 % interval
    (Clopper and Pearson), with each `unsure` taken for different below and for same above.
    """

    name: str
    near: int
    drawn: int
    same: int
    different: int
    unsure: int
    precision: float | None
    low: float
    high: float

    @property
    def judged(self) -> int:
        return self.same + self.different + self.unsure


@dataclass(frozen=True)
class Review:
    """The sample (`size` near matches asked for, by `seed`), what it says, and all verdicts, `elsewhere` outside it."""

    size: int
    seed: int
    whole: Precision
    benchmarks: tuple[Precision, ...]
    elsewhere: int
    overruled: int


def drawn(settings: ReviewSettings, near: pa.Table) -> list[dict[str, Any]]:
    """The sample: the `size` near matches (columns `PAIR`) whose names' digests with the seed come first.

    So it depends on the seed and the matches alone, and a match more or less changes one pair of it, not all.
    """

    def rank(row: dict[str, Any]) -> str:
        return hashlib.sha256(f"{settings.seed} {name_of(row)}".encode()).hexdigest()

    return sorted(near.select(PAIR).to_pylist(), key=rank)[: settings.sample]


@dataclass(frozen=True)
class Sample:
    """The matches of a run as a review sees them: how many near ones each benchmark has, those drawn, all names."""

    settings: ReviewSettings
    near: Counter[str]
    drawn: list[dict[str, Any]]
    matches: dict[str, dict[str, Any]]


def draw(settings: ReviewSettings, store: Store) -> Sample:
    """Draw the sample of a run's near matches; those byte for byte need no eyes."""
    matches = store.dataset("contamination").read_all([*PAIR, "kind"])
    near = matches.filter(pc.equal(matches["kind"], "near"))
    named = {name_of(row): row for row in matches.select(PAIR).to_pylist()}
    return Sample(settings, Counter(near["benchmark"].to_pylist()), drawn(settings, near), named)


def summarise(sample: Sample, store: Store) -> Review:
    """Count the verdicts on a run's matches; those on pairs that are matches no more do not count."""
    said = _said(store)
    by_benchmark = tuple(
        _precision(name, sample.near[name], [row for row in sample.drawn if row["benchmark"] == name], said)
        for name in sorted(sample.near)
    )
    whole = _precision("all", sample.near.total(), sample.drawn, said)
    counted = [verdict for name, verdict in said.items() if name in sample.matches]
    settings, overruled = sample.settings, counted.count("different")
    return Review(settings.sample, settings.seed, whole, by_benchmark, len(counted) - whole.judged, overruled)


def page_data(sample: Sample, store: Store) -> dict[str, Any]:
    """What the page knows of the review: its numbers, and the verdict on each pair by the pair's name."""
    return {"review": asdict(summarise(sample, store)), "said": _said(store)}


def _said(store: Store) -> dict[str, str]:
    return {name_of(row): row["verdict"] for row in read(store).to_pylist()}


def _precision(name: str, near: int, sample: list[dict[str, Any]], said: dict[str, str]) -> Precision:
    told = [said.get(name_of(row), "") for row in sample]
    same, different, unsure = (told.count(verdict) for verdict in ("same", "different", "unsure"))
    judged = same + different + unsure
    low, high = clopper_pearson(same, judged)[0], clopper_pearson(same + unsure, judged)[1]
    share = same / (same + different) if same + different else None
    return Precision(name, near, len(sample), same, different, unsure, share, low, high)
