"""What share of edited copies this run's own code found: dataset `recall`, added up over a benchmark's shards."""

from __future__ import annotations

from dataclasses import dataclass

from curate.ops.edits import EDITS
from curate.ops.intervals import clopper_pearson
from curate.runfile import RunFile
from curate.store import Store


@dataclass(frozen=True)
class Share:
    """Of `tried` copies by one edit (`all`: by any), `found` led to their image: `recall`, 95 % `low` to `high`.

    `wrong` other images of the benchmark were named.
    """

    edit: str
    tried: int
    found: int
    wrong: int
    recall: float
    low: float
    high: float


@dataclass(frozen=True)
class Recall:
    """The recall that was measured for one benchmark: by edit, and over all of them."""

    name: str
    whole: Share
    edits: tuple[Share, ...]


def recalls(run: RunFile, store: Store) -> tuple[Recall, ...]:
    """One of each benchmark of which copies were made; none where it was not measured or is not finished."""
    if not (run.benchmarks and run.recall.copies) or store.read_json("recall", "manifest.json") is None:
        return ()
    counts: dict[str, dict[str, list[int]]] = {}
    table = store.dataset("recall").read_all(["benchmark", "edit", "tried", "found", "wrong"])
    for row in table.to_pylist():
        count = counts.setdefault(row["benchmark"], {}).setdefault(row["edit"], [0, 0, 0])
        count[:] = (count[0] + row["tried"], count[1] + row["found"], count[2] + row["wrong"])
    return tuple(
        Recall(name, _share("all", of["all"]), tuple(_share(edit, of[edit]) for edit in EDITS if edit in of))
        for name, of in sorted(counts.items())
    )


def _share(edit: str, count: list[int]) -> Share:
    tried, found, wrong = count
    return Share(edit, tried, found, wrong, found / tried, *clopper_pearson(found, tried))
