"""Duplicates inside the corpus: which sample repeats which kept one. The one stage that needs all parts at once.

Rows are ranked, the best first. A row is dropped if, and only if, a kept row of better rank is the same picture by one
of three notions: equal bytes; a near copy, proposed by the hash or the descriptor and verified by thumbnails or
alignment; and, where asked for, an equal meaning, by the cosine of the embeddings alone. A near copy with something
else drawn over it, other words, is a class of its own, `overlaid`: told, and dropped only where asked for.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator

from curate.contracts import contract
from curate.ops.columns import matrix
from curate.ops.evidence import BYTES
from curate.ops.groups import keepers
from curate.ops.multihash import HashSearch
from curate.ops.nearest import Ranks, Search
from curate.ops.partition import Cells, CellSearch, Whole
from curate.stages.copies import Helpers, Limits, Rows, Verdict, Verifier

VERSION = 6
_NAMES = ["shard", "key", "caption", "sha256", "format", "width", "height", "sharpness"]
COLUMNS = [*_NAMES, "hash256_whole", "thumbnail", "preview", "embedding"]
FORMATS = ("PNG", "TIFF", "BMP", "WEBP", "AVIF", "JPEG", "GIF")
"""The better first: those that lose nothing, then those that lose least."""

Preference = Literal["pixels", "format", "caption", "sharpness"]


class DuplicatesSettings(Limits):
    """When two samples of the corpus count as the same picture, and which of them stays."""

    how_not_what: ClassVar[frozenset[str]] = frozenset({"in_memory"})

    probes: int = Field(8, ge=1, description="cells of the descriptors' partition that a sample asks")
    prefer: tuple[Preference, ...] = Field(
        ("pixels", "caption"),
        description="the sample that stays: most pixels, best format, longest caption, sharpest; ties: smaller key",
    )
    captions: Literal["keeper", "merge", "separate"] = Field(
        "keeper", description="the keeper's caption alone; all of its group's in the clean json; or other ones apart"
    )
    against: tuple[str, ...] = Field(
        (), description="finished runs whose kept samples stay, better than all here: what repeats them is dropped"
    )
    semantic_share: float | None = Field(
        None, gt=0, lt=1, description="instead of `semantic`: about the share that stays; the cosine is found, and told"
    )
    in_memory: int = Field(
        2_000_000, ge=1, description="most samples held at once, 5 KB each and 9 KB with previews; more: cut in tasks"
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> DuplicatesSettings:
        if self.semantic_share is None:
            return self
        if self.semantic is not None:
            raise ValueError("either `semantic`, a cosine, or `semantic_share`, not both")
        if self.against or self.captions == "separate":
            raise ValueError(
                "`semantic_share` is of one corpus, whatever its captions: beside `against` or captions apart give "
                "`semantic`, a cosine; the report of a run with a share tells the one that it led to"
            )
        return self

    @property
    def searches(self) -> bool:
        """Whether anything but equal bytes counts."""
        return self.near or self.semantic is not None or self.semantic_share is not None

    def from_cosine(self, semantic: float | None) -> DuplicatesSettings:
        """The same with the cosine that `semantic_share` led to; as they are where it was not asked for."""
        if self.semantic_share is None:
            return self
        return self.model_copy(update={"semantic": semantic, "semantic_share": None})

    @property
    def columns(self) -> list[str]:
        """The columns of signatures that are needed."""
        return COLUMNS if self.searches else _NAMES

    @property
    def least_cosine(self) -> float:
        """The least that is searched."""
        return min(self.min_cosine if self.near else 1.0, self.semantic or 1.0)


def find(
    settings: DuplicatesSettings, candidates: pa.Table, kept: pa.Table | None = None, centre: Whole | None = None
) -> pa.Table:
    """Choose keepers among samples that may stay: columns `settings.columns` of signatures -> contract `duplicates`.

    `kept` are samples of earlier runs, with a column `run` too: ranked among themselves, and before all candidates.
    `centre` are the cells of the descriptors, (C, D), or None for one cell. The order of the rows does not matter, but
    for samples of one name in several earlier runs: of these the first given is the better.
    """
    if settings.semantic_share is not None:
        raise ValueError("`semantic_share` is no limit yet: find the cosine first, by `curate.stages.share`")
    before = 0 if kept is None else len(kept)
    told = candidates.select(settings.columns)
    told = told if kept is None else pa.concat_tables([kept.select(settings.columns), told])
    rows = Rows(told, turned=settings.turned) if settings.searches else None
    order = np.concatenate([rank(settings, told.slice(0, before)), rank(settings, told.slice(before)) + before])
    text = _texts(told["caption"])[order] if settings.captions == "separate" else np.zeros(len(order), np.int64)
    first = _first_of_equals(matrix(told["sha256"])[order], text)
    verdicts: dict[int, Verdict] = {}
    if rows:
        single = np.flatnonzero((first == np.arange(len(first))) & rows.clear[order])
        verdicts = _near_copies(settings, rows, _Ranked(single, order, text, before), centre)
    for copy in np.flatnonzero(first != np.arange(len(first))).tolist():
        of = int(first[copy])
        same = verdicts.get(of)  # equal bytes, so equal signatures
        verdicts[copy] = same if same and same.dropped else Verdict(of, "byte_equal", BYTES)
    told_of = sorted(number for number in verdicts if number >= before)
    runs = None if kept is None else kept["run"]
    return _table(settings, _Found(told, rows, order, runs), [(number, verdicts[number]) for number in told_of])


def rank(settings: DuplicatesSettings, candidates: pa.Table) -> NDArray[np.int64]:
    """Row numbers, the best first: by `prefer`, ties by the smaller (shard, key), then by the first."""
    keys: dict[str, Any] = {name: _BETTER[name](candidates) for name in settings.prefer}
    table = pa.table({**keys, "shard": candidates["shard"], "key": candidates["key"]})
    order = [(name, "descending") for name in keys] + [("shard", "ascending"), ("key", "ascending")]
    numbers: NDArray[np.int64] = pc.sort_indices(table, order).to_numpy().astype(np.int64)
    return numbers


def _pixels(samples: pa.Table) -> pa.ChunkedArray:
    return pc.fill_null(pc.multiply(samples["width"].cast(pa.int64()), samples["height"].cast(pa.int64())), 0)


_BETTER: dict[str, Callable[[pa.Table], pa.ChunkedArray]] = {
    "pixels": _pixels,
    "format": lambda t: pc.negate(pc.fill_null(pc.index_in(t["format"], pa.array(FORMATS)), len(FORMATS))),
    "caption": lambda t: pc.fill_null(pc.utf8_length(t["caption"]), 0),
    "sharpness": lambda t: pc.fill_null(t["sharpness"], 0),
}
"""The more the better."""


def folded(caption: str | None) -> str:
    """A caption as it is compared: Unicode NFKC, case folded, white space joined; of none, the empty one."""
    return " ".join(unicodedata.normalize("NFKC", caption or "").casefold().split())


def _texts(captions: pa.ChunkedArray) -> NDArray[np.int64]:
    """Number the captions: (N,), equal where they do not differ."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(folded(text), len(numbers)) for text in captions.to_pylist()], np.int64)


def _first_of_equals(digests: NDArray[np.uint8], text: NDArray[np.int64]) -> Ranks:
    """Of ranked rows, (N, 32) and (N,), the first with the same bytes and text: (N,), itself if none is before it."""
    if not len(digests):
        return np.empty(0, np.int64)
    same = np.ascontiguousarray(np.hstack([digests, text.astype(">i8").view(np.uint8).reshape(-1, 8)]))
    _, first, of = np.unique(same.view(f"V{same.shape[1]}").reshape(-1), return_index=True, return_inverse=True)
    return first[of.reshape(-1)]


class _Ranked(NamedTuple):
    """Ranks to be searched, ascending; all rows in order of their rank; their texts; how many are kept already."""

    single: Ranks
    order: Ranks
    text: NDArray[np.int64]
    before: int


def _near_copies(settings: DuplicatesSettings, rows: Rows, told: _Ranked, centre: Whole | None) -> dict[int, Verdict]:
    """The rows that are near copies of kept ones, by rank; only rows of one text are held against one another."""
    verdicts: dict[int, Verdict] = {}
    width = rows.vectors.shape[1]
    cells = Cells(np.zeros((1, width), np.int8) if centre is None else centre, settings.probes) if width else None
    with Helpers(rows) as helpers:
        for group in _of_one_text(told):
            ranked = told.order[group]
            searches: list[Search] = []
            if settings.near:
                searches.append(HashSearch(rows.hashes, ranked, settings.radius, turns=settings.turned))
            if cells:
                least, most = settings.least_cosine, max(1, settings.most_candidates)
                searches.append(CellSearch(rows.vectors, rows.at[ranked], cells, least, most))
            judge = Verifier(settings, rows, ranked, helpers)
            keepers(len(group), int((group < told.before).sum()), searches, judge)
            for copy, verdict in judge.verdicts.items():
                verdicts[int(group[copy])] = verdict._replace(keeper=int(group[verdict.keeper]))
    return verdicts


def _of_one_text(told: _Ranked) -> Iterator[Ranks]:
    """The ranks of each text that several have."""
    text = told.text[told.single]
    order = np.argsort(text, kind="stable")
    for group in np.split(told.single[order], np.flatnonzero(np.diff(text[order])) + 1):
        if len(group) > 1:
            yield group


class _Found(NamedTuple):
    """Signatures of all rows, their measures, their order by rank; of the first rows, the runs that kept them."""

    told: pa.Table
    rows: Rows | None
    order: Ranks
    runs: pa.ChunkedArray | None


def _table(settings: DuplicatesSettings, found: _Found, repeats: list[tuple[int, Verdict]]) -> pa.Table:
    """The rows that repeat one, sorted by (shard, key)."""
    copy = found.order[np.array([number for number, _ in repeats], np.int64)]
    keeper = found.order[np.array([verdict.keeper for _, verdict in repeats], np.int64)]
    unequal = np.array([verdict.kind != "byte_equal" for _, verdict in repeats], bool)
    distance, cosine = np.zeros(len(repeats), np.int32), np.full(len(repeats), -1, np.float32)
    if found.rows:
        distance[unequal], cosine[unequal], _ = found.rows.measure(copy[unequal], keeper[unequal])
    names = {name: found.told[name].take(pa.array(keeper)) for name in ("shard", "key")}
    runs = [found.runs[row].as_py() if found.runs and row < len(found.runs) else None for row in keeper.tolist()]
    evidence = [verdict.evidence for _, verdict in repeats]
    columns: dict[str, Any] = {
        **{name: found.told[name].take(pa.array(copy)) for name in ("shard", "key")},
        "kind": [verdict.kind for _, verdict in repeats],
        "dropped": [verdict.dropped for _, verdict in repeats],
        "verified_by": [e.verified_by for e in evidence],
        "score": [e.score for e in evidence],
        "threshold": [e.threshold for e in evidence],
        "distance": distance,
        "cosine": pa.array(cosine, mask=cosine == -1),
        "keeper_run": runs,
        "keeper_shard": names["shard"],
        "keeper_key": names["key"],
        "group": [_group(*name) for name in zip(runs, *(c.to_pylist() for c in names.values()), strict=True)],
        "policy": [", ".join(settings.prefer)] * len(repeats),
        "caption": found.told["caption"].take(pa.array(copy)) if settings.captions == "merge" else None,
    }
    return contract("duplicates").table(columns).sort_by([("shard", "ascending"), ("key", "ascending")])


def _group(run: str | None, shard: str, key: str) -> int:
    """The number of a group: of its keeper, so that it is the same whatever else is found."""
    return int.from_bytes(hashlib.sha256("\0".join((run or "", shard, key)).encode()).digest()[:8]) >> 1
