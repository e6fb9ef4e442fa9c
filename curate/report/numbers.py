"""The numbers of a run, counted part by part from its datasets; what `report/summary.json` holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from curate.contracts import statuses
from curate.errors import CurateError
from curate.report import audit
from curate.report.audit import Row
from curate.report.recall import Recall, recalls
from curate.runfile import RunFile
from curate.stages.cells import semantic_of
from curate.steps import dataset_names
from curate.store import Store

_NEEDED = ("signatures", "views", "contamination", "duplicates", "decisions")


@dataclass(frozen=True)
class Step:
    """One step of the funnel: how many samples pass it, how many it takes, and both as shares of all samples."""

    name: str
    count: int
    taken: int
    share: float
    share_taken: float


@dataclass(frozen=True)
class Yield:
    """How many samples have one status, and their share of all samples."""

    status: str
    count: int
    share: float
    meaning: str


@dataclass(frozen=True)
class Copies:
    """Samples dropped for a kept one: all of them, byte for byte, nearly, in meaning; the groups they form with it.

    `overlaid` of them differ from it in what is drawn over one; `overlaid_kept` samples do, and are kept.
    `missed` is the share of near descriptors that lie in cells that are not searched, measured on a sample; null where
    none are searched for, or none were found there. `semantic_from` is the cosine that `semantic_share` led to, null
    where none was asked for; `stays` the share of the samples looked at that is kept, null where that is none.
    """

    samples: int
    byte_equal: int
    near: int
    groups: int
    semantic: int = 0
    overlaid: int = 0
    overlaid_kept: int = 0
    missed: float | None = None
    semantic_from: float | None = None
    stays: float | None = None


@dataclass(frozen=True)
class Stage:
    """A finished dataset: its parts and rows, the seconds its making took, and the digest of its content."""

    name: str
    parts: int
    rows: int
    seconds: float
    content: str


@dataclass(frozen=True)
class Summary:
    """`report/summary.json`. `version` changes when a key changes its name or meaning; keys may be added without.

    `duplicates` is null of an audit, which looks for none. `emitted` samples stand in the clean shards (null before
    `clean` is done), and `proved` of them were signed and searched again (null before that is done). `versions` are
    those of all stages, more than one of a library where stages were made by different ones.
    """

    run: str
    funnel: tuple[Step, ...]
    statuses: tuple[Yield, ...]
    benchmarks: tuple[Row, ...]
    duplicates: Copies | None
    emitted: int | None
    stages: tuple[Stage, ...]
    versions: dict[str, list[str]]
    recall: tuple[Recall, ...] = ()
    proved: int | None = None
    version: int = 2


def count(run: RunFile, store: Store) -> Summary:
    """Count a run's datasets; CurateError names the first that is not finished."""
    manifests = _manifests(run, store)
    fates = _fates(store)
    recalled = recalls(run, store)
    return Summary(
        run=store.root,
        funnel=_funnel(fates),
        statuses=_yields(fates),
        benchmarks=audit.rows(run, store, recalled),
        duplicates=None if run.audit else _copies(store, fates, cells="cells" in manifests),
        emitted=manifests.get("clean", {}).get("count"),
        stages=tuple(_stage(name, manifest) for name, manifest in manifests.items()),
        versions=_versions(list(manifests.values())),
        recall=recalled,
        proved=manifests.get("proof", {}).get("count"),
    )


def _manifests(run: RunFile, store: Store) -> dict[str, dict[str, Any]]:
    manifests = {name: store.read_json(name, "manifest.json") for name in dataset_names(run)}
    for name in _NEEDED:
        if manifests.get(name, {}) is None:
            raise CurateError(f"{store.path(name)}: not finished, so there is nothing to report; finish the run first")
    return {name: manifest for name, manifest in manifests.items() if manifest}


def _fates(store: Store) -> Counter[tuple[str, str]]:
    """How many samples have each (rule, status)."""
    fates: Counter[tuple[str, str]] = Counter()
    data = store.dataset("decisions")
    for part in data.parts():
        counted = data.read(part, ["rule", "status"]).group_by(["rule", "status"]).aggregate([([], "count_all")])
        for row in counted.to_pylist():
            fates[row["rule"], row["status"]] += row["count_all"]
    return fates


def _funnel(fates: Counter[tuple[str, str]]) -> tuple[Step, ...]:
    """Samples left after each rule. Those whose status only a download can give were never fetched."""
    total = fates.total()
    unfetched = sum(n for (_, status), n in fates.items() if statuses()[status].where == "shards")
    by_rule = Counter[str]()
    for (rule, _), n in fates.items():
        by_rule[rule] += n
    takes = {
        "input": 0,
        "fetched": unfetched,
        "readable": by_rule["status"] - unfetched,
        "of quality": by_rule["quality"],
        "not contaminated": by_rule["contamination"],
        "not duplicate": by_rule["duplicate"],
    }
    steps, left = [], total
    for name, taken in takes.items():
        left -= taken
        steps.append(Step(name, left, taken, _share(left, total), _share(taken, total)))
    return (*steps, Step("kept", left, 0, _share(left, total), 0.0))


def _yields(fates: Counter[tuple[str, str]]) -> tuple[Yield, ...]:
    """Every status that occurs, the most frequent first."""
    by_status = Counter[str]()
    for (_, status), n in fates.items():
        by_status[status] += n
    ranked = sorted(by_status.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Yield(s, n, _share(n, fates.total()), statuses()[s].meaning) for s, n in ranked)


def _copies(store: Store, fates: Counter[tuple[str, str]], *, cells: bool) -> Copies:
    told = store.dataset("duplicates").read_all(["kind", "group", "dropped"])
    table = told.filter(told["dropped"])
    kinds = Counter(table["kind"].to_pylist())
    kept = sum(count for (rule, _), count in fates.items() if rule == "none")
    missed, meant = _cells(store) if cells else (None, None)
    return Copies(
        samples=table.num_rows,
        byte_equal=kinds["byte_equal"],
        near=kinds["near"],
        groups=pc.count_distinct(table["group"]).as_py(),
        semantic=kinds["semantic"],
        overlaid=kinds["overlaid"],
        overlaid_kept=told.num_rows - table.num_rows,
        missed=missed,
        semantic_from=meant,
        stays=kept / (kept + table.num_rows) if kept else None,
    )


def _cells(store: Store) -> tuple[float | None, float | None]:
    """The share of near pairs that lie in cells that are not searched, as the sample says; the cosine of meaning."""
    cells = store.dataset("cells").read_all(["pairs", "missed", "semantic"])
    pairs, missed = (pc.sum(cells[name]).as_py() or 0 for name in ("pairs", "missed"))
    return missed / pairs if pairs else None, semantic_of(cells)


def _stage(name: str, manifest: dict[str, Any]) -> Stage:
    return Stage(name, len(manifest["parts"]), manifest["count"], manifest["seconds"], manifest["content"])


def _versions(manifests: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for manifest in manifests:
        for library, version in manifest["versions"].items():
            found.setdefault(library, set()).add(version)
    return {library: sorted(versions) for library, versions in sorted(found.items())}


def _share(part: int, of: int) -> float:
    return part / of if of else 0.0
