"""Which pairs the report shows: all, or as many as asked, spread evenly from the nearest to the farthest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.report.settings import ReportSettings
from curate.review.verdicts import PAIR, name_of
from curate.stages.contamination import changed
from curate.store import Store


class Place(NamedTuple):
    """Where a picture lies: its shard and key, in a benchmark or (`benchmark` is empty) in the corpus."""

    benchmark: str
    shard: str
    key: str


@dataclass(frozen=True)
class Pair:
    """A sample and the picture that it was matched with: a benchmark image, or a kept sample (then without `view`).

    `changes` are words of `CHANGES`; `drawn` is the pair's place in the review's random sample, from 1 on, or 0.
    """

    name: str
    sample: Place
    match: Place
    kind: str
    view: str
    score: float
    changes: tuple[str, ...]
    evidence: str
    drawn: int


CHANGES = ("mirrored", "turned", "cut", "filling")
"""How a benchmark's image was changed: the first words that `changed` says."""


@dataclass(frozen=True)
class Gallery:
    """The pairs shown of one benchmark (`name`), or of the duplicates (no name), out of `total`."""

    name: str
    pairs: tuple[Pair, ...]
    total: int


def galleries(store: Store, settings: ReportSettings, drawn: Mapping[str, int]) -> list[Gallery]:
    """One gallery a benchmark with matches, `pairs` in all (one each at least), and up to `duplicates`.

    Matches named in `drawn`, the review's random sample, are shown whatever `pairs` says. Keepers of earlier runs are
    not shown: their pictures are not this run's to read.
    """
    most = settings.pairs
    matches = store.dataset("contamination").read_all()
    names = sorted(pc.unique(matches["benchmark"]).to_pylist())
    each = min(most, max(1, most // max(1, len(names))))
    found = [_gallery(name, matches.filter(pc.equal(matches["benchmark"], name)), each, drawn) for name in names]
    if not store.dataset("duplicates").parts():  # an audit looks for none
        return found
    copies = store.dataset("duplicates").read_all()
    return [*found, _gallery("", copies.filter(pc.is_null(copies["keeper_run"])), settings.duplicates, {})]


_NEAREST_FIRST = [("kind", "ascending"), ("verified_by", "descending"), ("score", "descending")]
_BY_NAME = [("shard", "ascending"), ("key", "ascending")]


def _gallery(name: str, table: pa.Table, most: int, drawn: Mapping[str, int]) -> Gallery:
    """Spread evenly, because the nearest pairs prove little and the doubtful ones are the farthest."""
    ranked = table.sort_by([*_NEAREST_FIRST, *_BY_NAME])
    chosen = set(np.linspace(0, table.num_rows - 1, min(table.num_rows, most)).round().astype(np.int64).tolist())
    if drawn:
        chosen |= {n for n, row in enumerate(ranked.select(PAIR).to_pylist()) if name_of(row) in drawn}
    rows = ranked.take(pa.array(sorted(chosen), pa.int64())).to_pylist()
    return Gallery(name, tuple(_pair(name, row, drawn) for row in rows), table.num_rows)


def _pair(name: str, row: dict[str, Any], drawn: Mapping[str, int]) -> Pair:
    other = "benchmark" if name else "keeper"
    sample = Place("", row["shard"], row["key"])
    match = Place(name, row[f"{other}_shard"], row[f"{other}_key"])
    named = name_of(dict(zip(PAIR, (*match, *sample[1:]), strict=True)))
    return Pair(
        named,
        sample,
        match,
        row["kind"],
        row.get("view", ""),
        row["score"],
        tuple(said.split()[0] for said in changed(row).split(", ") if said) if name else (),
        in_words(row),
        drawn.get(named, 0),
    )


def in_words(row: dict[str, Any]) -> str:
    """What was measured of a contamination match or a duplicate, and how a benchmark's image was changed."""
    if row["verified_by"] == "bytes":
        return "the same bytes"
    said = [f"{_MEASURED[row['verified_by']]} {row['score']:.2f}, at least {row['threshold']:.2f}"]
    if row["distance"] is not None:
        said.append(f"hashes {row['distance']} bit apart")
    if row["cosine"] is not None and row["verified_by"] != "embedding":
        said.append(f"cosine {row['cosine']:.2f}")
    return " · ".join([*said, *([changes] if "view" in row and (changes := changed(row)) else [])])


_MEASURED = {
    "thumbnails": "of thumbnails, correlation",
    "alignment": "aligned, agreement",
    "embedding": "of like meaning, cosine",
}
