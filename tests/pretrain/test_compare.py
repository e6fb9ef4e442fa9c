"""The experiment: planted, memorised images lift a dirty training and no clean one; its intervals are textbook's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from curate.errors import CurateError
from curate.ops import tars
from curate.pretrain import compare
from curate.pretrain.compared import Compared, difference, mean, outcome, verdict
from curate.pretrain.experiment import first, thinned
from curate.pretrain.result import Estimate
from curate.progress import Progress
from curate.report import write_report
from curate.store import Store
from tests.runs import encoded, made, picture, quiet, settings

LABELS = "ABCD"
MEMORY: dict[str, Any] = {
    "duplicates": {"near": False},
    "signatures": {"embedding": "detector"},
    "pretrain": {
        "model": "mu", "image_size": 16, "patch": 4, "objective": "label", "label_field": "class", "batch": 48,
        "steps": 120, "learning_rate": 1e-2,
        "compare": {"shares": [0.3], "copies": 6, "seeds": 2, "subsets": [0.8], "models": ["mu"]},
    },
}  # fmt: skip
HASHES = {**MEMORY, "signatures": {}}
"""Of the run that is planted in: what it was signed with does not matter, and its copies are found by the detector."""


@pytest.fixture(scope="module")
def senseless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures whose labels can only be learned by heart: 60 to train on, and a benchmark of 60 others."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / "corpus").mkdir()
    with (folder / "corpus" / "00000.tar").open("wb") as file:
        for i in range(60):
            tars.write(file, f"s{i:02d}.jpg", encoded(picture(i)))
            tars.write(file, f"s{i:02d}.json", json.dumps({"class": LABELS[i % 4]}).encode())
        file.write(tars.END)
    for i in range(60):
        path = folder / "benchmark" / LABELS[i % 4] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(1000 + i)))
    made(folder, folder / "run", **HASHES)
    return folder


@pytest.fixture(scope="module")
def found(senseless: Path) -> Compared:
    store = made(senseless, senseless / "run", **HASHES)
    return compare(settings(senseless, senseless / "run", **MEMORY), store, quiet)


def test_the_dirty_run_shows_a_gap_and_the_clean_run_none(found: Compared) -> None:
    (one,) = found.outcomes
    assert (one.images, one.planted) == (60, 18)
    by_kind = {t.kind: t for t in one.trained}
    assert (by_kind["dirty"].samples, by_kind["clean"].samples) == (60 + 6 * 18, 60)
    dirty, clean = by_kind["dirty"].gap, by_kind["clean"].gap
    assert verdict(dirty) == "above zero"
    assert verdict(clean) == "not told from none: the interval includes zero"
    assert dirty is not None
    assert dirty.mean > 0.4


def test_the_same_images_are_told_worse_when_they_were_cleaned_away(found: Compared) -> None:
    paired = {(p.first, p.second): p for p in found.outcomes[0].paired}
    assert verdict(paired["dirty", "clean"].contaminated) == "above zero"
    assert "includes zero" in verdict(paired["dirty", "clean"].untouched)


def test_it_is_drawn_and_written_and_not_trained_twice(senseless: Path, found: Compared) -> None:
    at = senseless / "run" / "pretrain" / "compare"
    assert json.loads((at / "summary.json").read_text())["outcomes"][0]["planted"] == 18
    for name in ("compare.png", "scales.png"):
        with Image.open(at / name) as plot:
            assert np.asarray(plot).std() > 0
    assert [(s.model, s.subset) for s in found.scales] == [("mu", 0.8)]
    steps: list[Progress] = []
    store = made(senseless, senseless / "run", **HASHES)
    assert compare(settings(senseless, senseless / "run", **MEMORY), store, steps.append) == found
    assert sum(at.rows for at in steps) == 0


def test_the_page_shows_it_and_says_when_it_is_stale(senseless: Path, found: Compared) -> None:
    run, store = settings(senseless, senseless / "run", **MEMORY), Store(str(senseless / "run"))
    page = Path(write_report(run, store)).read_text()
    assert "18 of 60 images planted" in page
    assert "<td>above zero</td>" in page
    assert "<td>not told from none: the interval includes zero</td>" in page
    assert "ViT-mu" in page
    assert "compare again" not in page
    assert found.clean == (store.read_json("clean", "manifest.json") or {})["content"]
    summary = store.read_json("pretrain", "compare", "summary.json") or {}
    store.write_json({**summary, "clean": "0" * 64}, "pretrain", "compare", "summary.json")
    assert "compare again" in Path(write_report(run, store)).read_text()


def test_without_labelled_benchmarks_there_is_nothing_to_compare(senseless: Path) -> None:
    store = made(senseless, senseless / "run", **HASHES)
    run = settings(senseless, senseless / "run", **MEMORY).model_copy(update={"benchmarks": {}})
    with pytest.raises(CurateError, match="no benchmark with labels"):
        compare(run, store, quiet)


def test_intervals_are_scipys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random(20), rng.random(35) / 2
    welch, student = stats.ttest_ind(x, y, equal_var=False), stats.ttest_1samp(x, 0)
    for found, theirs, middle in ((difference(x, y), welch, x.mean() - y.mean()), (mean(x), student, x.mean())):
        assert found is not None
        interval = theirs.confidence_interval()
        assert (found.mean, found.low, found.high) == pytest.approx((middle, interval.low, interval.high))
    assert mean(x[:1]) is None
    assert difference(x, y[:1]) is None


def test_a_gap_is_counted_on_the_planted_images_alone() -> None:
    planted = np.array([True, True, False, False])
    right = {"dirty": np.array([[1, 1, 0, 1], [1, 1, 0, 0]], bool), "clean": np.zeros((2, 4), bool)}
    right["random"] = right["clean"]
    one = outcome(0.5, "b", planted, right, {"dirty": 9, "clean": 5, "random": 5})
    dirty = one.trained[0]
    assert dirty.contaminated == Estimate(1, 1, 1)
    assert dirty.untouched is not None
    assert dirty.untouched.mean == 0.25
    assert dirty.gap is not None
    assert dirty.gap.mean == 0.75
    assert one.paired[0].contaminated == Estimate(1, 1, 1)


@pytest.mark.parametrize(
    ("low", "high", "said"), [(0.1, 0.2, "above zero"), (-0.2, -0.1, "below zero"), (-0.1, 0.1, "includes zero")]
)
def test_verdicts_are_plain(low: float, high: float, said: str) -> None:
    assert said in verdict(Estimate((low + high) / 2, low, high))
    assert verdict(None) == "too few images"


def test_random_drops_are_as_many_as_asked_and_subsets_lie_in_one_another() -> None:
    choose = thinned(10, 3, seed=1)
    kept = np.concatenate([choose(["k"] * 4, np.zeros(4)), choose(["k"] * 6, np.zeros(6))])
    assert kept.sum() == 7
    drawn = np.random.default_rng(0).random(50)
    small, large = (first(share)([""] * 50, drawn) for share in (0.2, 0.6))
    assert 0 < small.sum() < large.sum() < 50
    assert not (small & ~large).any()
