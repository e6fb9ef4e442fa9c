"""The audit's table, a row a benchmark: what of it is in the corpus, how it was changed, and what backs the count."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.calibrate.files import calibrations
from curate.errors import CurateError
from curate.ops.intervals import wilson
from curate.report.recall import Recall
from curate.runfile import RunFile
from curate.stages.contamination import TRANSFORMS, transforms
from curate.store import Store

_HOW = ["mirrored", "rotation", "shown", "covers"]
_SHOWN = ["benchmark", "benchmark_shard", "benchmark_key"]
_OWN = ["benchmark", "shard", "key"]
_MATCH = ["key", *_SHOWN, *_HOW]
Image = tuple[str, str, str]
"""An image of a benchmark: (benchmark, shard, key)."""


@dataclass(frozen=True)
class Row:
    """What of one benchmark is in the corpus. Shares are 0 to 1, with their 95 % intervals.

    `found` of its `images` are, a `share` with Wilson's interval `low` to `high`; `unreadable` images can be found by
    their bytes only. `samples` of the corpus show them: `byte_equal` to one, or only `near`.

    `pairs` of a sample and an image, by what was done to the image; one may be mirrored and cut. Of the `found` images,
    those that a sample shows `with_label`, the `image_only`, and those of which that is not known.
    """

    benchmark: str
    role: str
    """`test`: it counts; `leak`: it counts, and the corpus is its own train split; `train`: told, drops nothing."""
    images: int
    unreadable: int
    found: int
    share: float
    low: float
    high: float
    samples: int
    byte_equal: int
    near: int
    pairs: int
    mirrored: int
    turned: int
    cut: int
    framed: int
    unchanged: int
    with_label: int
    image_only: int
    label_unknown: int
    min_similarity: float
    min_agreement: float
    calibration: str
    """What the thresholds rest on: `defaults`, `run file`, or the calibration's file."""
    false_per_million: float | None
    """Of unrelated pairs that pass these thresholds, at most, where that was measured."""
    copies: int
    """Edited copies of the benchmark's own images by which the recall of this audit was measured; 0: it was not."""
    recall: float | None
    recall_low: float | None
    recall_high: float | None


def rows(run: RunFile, store: Store, recalls: Sequence[Recall]) -> tuple[Row, ...]:
    """One row a benchmark, in the order of their names."""
    seen, counts = _seen(store), _counts(store)
    measured = {one.name: one.whole for one in recalls}
    return tuple(
        Row(
            benchmark=name,
            role="leak" if run.within and where.role == "test" else where.role,
            **counts(name),
            **seen[name].counts(),
            **_thresholds(run, name),
            **_recall(measured.get(name)),
        )
        for name, where in sorted(run.benchmarks.items())
    )


def _counts(store: Store) -> Callable[[str], dict[str, Any]]:
    """Of a benchmark, its images and what of them is found, in how many samples."""
    images, unreadable = _images(store)
    matches = store.dataset("contamination").read_all([*_OWN, "kind", *_SHOWN[1:]])
    found, samples = _distinct(matches, _SHOWN), _distinct(matches, _OWN)
    equal = _distinct(matches.filter(pc.equal(matches["kind"], "byte_equal")), _OWN)

    def counts(name: str) -> dict[str, Any]:
        low, high = wilson(found[name], images[name])
        return {
            "images": images[name],
            "unreadable": unreadable[name],
            "found": found[name],
            "share": found[name] / images[name] if images[name] else 0.0,
            "low": low,
            "high": high,
            "samples": samples[name],
            "byte_equal": equal[name],
            "near": samples[name] - equal[name],
        }

    return counts


def _images(store: Store) -> tuple[Counter[str], Counter[str]]:
    """Images of each benchmark, and those among them that cannot be read; an image has a row a view."""
    images, unreadable = Counter[str](), Counter[str]()
    data = store.dataset("views")
    for part in data.parts():
        seen = data.read(part, [*_OWN, "status"])
        images += _distinct(seen, _OWN)
        unreadable += _distinct(seen.filter(pc.not_equal(seen["status"], "ok")), _OWN)
    return images, unreadable


def _distinct(table: pa.Table, columns: list[str]) -> Counter[str]:
    """How many distinct rows of `columns` each benchmark has."""
    rows = table.group_by(columns).aggregate([])
    return Counter({row["values"]: row["counts"] for row in pc.value_counts(rows["benchmark"]).to_pylist()})


@dataclass
class _Seen:
    """What is counted of a benchmark's matches."""

    done: Counter[str] = field(default_factory=Counter)
    pairs: int = 0
    labels: dict[Image, set[bool | None]] = field(default_factory=lambda: defaultdict(set))

    def counts(self) -> dict[str, Any]:
        told = Counter(True if True in said else False if False in said else None for said in self.labels.values())
        return {
            "pairs": self.pairs,
            **{name: self.done[name] for name in (*TRANSFORMS, "unchanged")},
            "with_label": told[True],
            "image_only": told[False],
            "label_unknown": told[None],
        }


def _seen(store: Store) -> defaultdict[str, _Seen]:
    """Go through the matches, part by part, beside the captions and labels of the samples that have some."""
    found: defaultdict[str, _Seen] = defaultdict(_Seen)
    labels = _labels(store)
    for match, sample in _matches(store):
        seen = found[match["benchmark"]]
        image = match["benchmark"], match["benchmark_shard"], match["benchmark_key"]
        seen.pairs += 1
        seen.done.update(transforms(match) or ["unchanged"])
        seen.labels[image].add(has_label(labels.get(image), sample["label"], sample["caption"]))
    return found


def _matches(store: Store) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each match, and the label and caption of its sample."""
    for part in store.dataset("contamination").parts():
        matches = store.dataset("contamination").read(part, _MATCH)
        if not len(matches):
            continue
        said = store.dataset("signatures").read(part, ["key", "label", "caption"])
        said = said.filter(pc.is_in(said["key"], value_set=matches["key"].combine_chunks()))
        by_key = {row["key"]: row for row in said.to_pylist()}
        yield from ((match, by_key[match["key"]]) for match in matches.to_pylist())


def _labels(store: Store) -> dict[Image, str]:
    """The labels of the images that the corpus shows; an image has a row a view."""
    shown = store.dataset("contamination").read_all(_SHOWN).group_by(_SHOWN).aggregate([]).rename_columns(_OWN)
    wanted = pc.unique(shown["key"]) if len(shown) else pa.array([], pa.string())
    found = {}
    for part in store.dataset("views").parts() if len(shown) else []:
        views = store.dataset("views").read(part, [*_OWN, "label"])
        views = views.filter(pc.and_(pc.is_valid(views["label"]), pc.is_in(views["key"], value_set=wanted)))
        for row in views.group_by([*_OWN, "label"]).aggregate([]).to_pylist():
            found[row["benchmark"], row["shard"], row["key"]] = row["label"]
    return found


def has_label(label: str | None, sample_label: str | None, caption: str | None) -> bool | None:
    """Whether a sample has a benchmark image's label: as its own, or named in its caption; None where none can tell.

    Of a label that lists several names, as `tench, Tinca tinca`, one is enough. A caption cannot tell a number or a
    code (`3`, `n01440764`), and a sample without label or caption says nothing.
    """
    if label is None:
        return None
    if sample_label is not None and _words(sample_label) == _words(label):
        return True
    names = [_words(name) for name in label.split(",") if not any(c.isdigit() for c in name) and _words(name)]
    if caption and names:
        told = f" {_words(caption)} "
        return any(f" {name} " in told for name in names)
    return None if sample_label is None else False


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold().replace("_", " ")))


def _thresholds(run: RunFile, name: str) -> dict[str, Any]:
    """The thresholds that held, and what they rest on."""
    matching, limits = run.contamination, run.contamination.limits(name)
    said: dict[str, Any] = {"min_similarity": limits.min_similarity, "min_agreement": limits.min_agreement}
    said |= {"calibration": "run file" if name in matching.thresholds else "defaults", "false_per_million": None}
    if matching.calibration is None or name not in matching.thresholds:
        return said
    try:
        files = list(calibrations(matching.calibration, [name]))
    except CurateError:  # it is gone, or another's by now; its thresholds stand in the run's own settings
        return said | {"calibration": f"{matching.calibration}, which cannot be read"}
    for file, read in files:
        if read.benchmark == name and read.thresholds == limits:
            said |= {"calibration": file, "false_per_million": read.at_most_per_million}
    return said


def _recall(whole: Any) -> dict[str, Any]:
    if whole is None:
        return {"copies": 0, "recall": None, "recall_low": None, "recall_high": None}
    return {"copies": whole.tried, "recall": whole.recall, "recall_low": whole.low, "recall_high": whole.high}
