"""What the verdicts say of the audit: its precision, from a random sample that was drawn before anybody looked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
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


def near_matches(store: Store) -> pa.Table:
    """The matches that were not byte for byte, which need no eyes: columns `PAIR`."""
    matches = store.dataset("contamination").read_all([*PAIR, "kind"])
    return matches.filter(pc.equal(matches["kind"], "near")).select(PAIR)


def summarise(settings: ReviewSettings, store: Store) -> Review:
    """Count the verdicts on a run's matches; those on pairs that are matches no more do not count."""
    near = near_matches(store)
    said = {name_of(row): row["verdict"] for row in read(store).to_pylist()}
    sample = drawn(settings, near)
    totals = {c["values"]: c["counts"] for c in pc.value_counts(near["benchmark"]).to_pylist()}
    by_benchmark = tuple(
        _precision(name, totals[name], [row for row in sample if row["benchmark"] == name], said)
        for name in sorted(totals)
    )
    whole = _precision("all", near.num_rows, sample, said)
    all_pairs = {name_of(row): row for row in store.dataset("contamination").read_all(PAIR).to_pylist()}
    counted = {name: verdict for name, verdict in said.items() if name in all_pairs}
    elsewhere = len(counted) - whole.same - whole.different - whole.unsure
    overruled = sum(verdict == "different" for verdict in counted.values())
    return Review(settings.sample, settings.seed, whole, by_benchmark, elsewhere, overruled)


def _precision(name: str, near: int, sample: list[dict[str, Any]], said: dict[str, str]) -> Precision:
    told = [said.get(name_of(row), "") for row in sample]
    same, different, unsure = (told.count(verdict) for verdict in ("same", "different", "unsure"))
    judged = same + different + unsure
    low, high = clopper_pearson(same, judged)[0], clopper_pearson(same + unsure, judged)[1]
    share = same / (same + different) if same + different else None
    return Precision(name, near, len(sample), same, different, unsure, share, low, high)
