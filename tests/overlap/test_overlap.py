"""`curate overlap`: the figures against scipy's and those worked out by hand, and what is said of bad input."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import binom, binomtest

from curate.errors import CurateError, FaultsError, SourceError
from curate.overlap import show
from curate.overlap.command import overlap
from curate.overlap.comparison import Split, compare, corrected
from curate.overlap.plot import png
from curate.overlap.predictions import read
from curate.runner import open_run
from tests.runs import corpus, encoded, made, picture, tar

# -- the figures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overlap", "clean"),
    [
        (Split(20, 18), Split(180, 90)),
        (Split(1, 0), Split(9, 9)),
        (Split(400, 400), Split(3, 1)),
        (Split(7, 0), Split(2, 0)),
    ],
)
def test_the_test_and_the_interval_are_scipys(overlap: Split, clean: Split) -> None:
    one = compare("x", overlap, clean)
    assert overlap.accuracy is not None
    assert clean.accuracy is not None
    theirs = binomtest(overlap.right, overlap.images, clean.accuracy, alternative="greater")
    interval = binomtest(overlap.right, overlap.images).proportion_ci(0.995, "exact")
    assert one.p == pytest.approx(theirs.pvalue)
    assert one.p == pytest.approx(binom.sf(overlap.right - 1, overlap.images, clean.accuracy), abs=1e-12)
    assert (one.low, one.high) == pytest.approx((interval.low - clean.accuracy, interval.high - clean.accuracy))
    assert one.all.accuracy is not None
    assert one.effect == pytest.approx(one.all.accuracy - clean.accuracy)


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0, 1), st.floats(0, 1))
def test_figures_hang_together(n: int, m: int, one_share: float, other_share: float) -> None:
    one = compare("x", Split(n, int(n * one_share)), Split(m, int(m * other_share)))
    assert (one.p is None) == (not n or not m)
    if one.p is None or one.all.accuracy is None or one.clean.accuracy is None:
        return
    assert 0 <= one.p <= 1
    assert one.effect == pytest.approx(one.all.accuracy - one.clean.accuracy, abs=1e-12)
    assert (one.low or 0) <= (one.difference or 0) <= (one.high or 0)
    assert abs(one.effect_high or 0) <= abs(one.high or 0)


def test_a_table_worked_out_by_hand() -> None:
    """Of 5 images in the corpus 4 are right, of 15 others 9: 80 %, 60 %, all 65 %; 4 or 5 heads of 5 at .6: .33696."""
    one = compare("x", Split(5, 4), Split(15, 9))
    assert (one.overlap_share, one.difference, one.effect) == pytest.approx((0.25, 0.2, 0.05))
    assert (one.effect_low, one.effect_high) == pytest.approx((0.25 * (one.low or 0), 0.25 * (one.high or 0)))
    assert one.p == pytest.approx(5 * 0.6**4 * 0.4 + 0.6**5)


def test_bonferroni_counts_the_benchmarks_that_were_tested() -> None:
    tested = [compare("a", Split(5, 4), Split(15, 9)), compare("b", Split(50, 50), Split(50, 25))]
    found = corrected([*tested, compare("c", Split(0, 0), Split(3, 1))])
    assert [one.p_bonferroni for one in found] == pytest.approx([2 * 0.33696, 2 * 0.5**50, None])
    many = corrected([tested[0]] * 4)
    assert many[0].p_bonferroni == 1


def test_one_side_alone_is_no_comparison() -> None:
    for one in (compare("x", Split(0, 0), Split(4, 2)), compare("x", Split(4, 2), Split(0, 0))):
        assert (one.all.accuracy, one.difference, one.p) == (0.5, None, None)
    assert compare("x", Split(0, 0), Split(0, 0)).all.accuracy is None


FOUND = corrected([compare("dtd", Split(50, 50), Split(50, 25)), compare("-my_own", Split(5, 4), Split(15, 9)),
                   compare("empty", Split(0, 0), Split(4, 2))])  # fmt: skip


def test_files_hold_the_same_figures() -> None:
    listed = show.as_json(FOUND, ["a note"])
    assert listed["left_out"] == ["a note"]
    assert [row["p"] for row in listed["benchmarks"]] == [one.p for one in FOUND]
    lines = list(csv.DictReader(show.as_csv(FOUND).decode().splitlines()))
    assert [line["benchmark"] for line in lines] == ["dtd", "'-my_own", "empty"]
    assert float(lines[1]["overlap_minus_clean"]) == pytest.approx(0.2)
    assert (lines[2]["p"], lines[2]["overlap_images"]) == ("", "0")


def test_latex_is_escaped_and_bold_where_significant() -> None:
    lines = show.as_latex(FOUND).decode().splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrrlrl}"
    assert lines[4].startswith(r"dtd & 100 & 50.00\% & 75.00\% & 100.00\% & 50.00\% & +50.00 (+")
    assert r"\textbf{8.9e-16 (1.8e-15)}" in lines[4]
    assert lines[5].startswith(r"-my\_own & 20 & 25.00\% & 65.00\% & 80.00\% & 60.00\% & +20.00 ($-$")
    assert r"\textbf" not in lines[5]
    assert lines[6] == r"empty & 4 & 0.00\% & 50.00\% & -- & 50.00\% & -- & -- & -- \\"
    assert all(line.count(" & ") == 8 for line in lines[4:7])


def test_the_picture_is_the_same_each_time_and_none_of_nothing() -> None:
    drawn = png(FOUND)
    assert drawn is not None
    assert drawn.startswith(b"\x89PNG")
    assert drawn == png(FOUND)
    assert png(FOUND[2:]) is None


# -- the predictions ---------------------------------------------------------------------------------------------


def written(path: Path, **columns: Any) -> str:
    pq.write_table(pa.table(columns), path / "predictions.parquet")
    return str(path / "predictions.parquet")


@pytest.mark.parametrize(
    "columns",
    [
        {"correct": [True, False, True]},
        {"correct": [1, 0, 1]},
        {"correct": [1.0, 0.0, 1.0], "label": ["ignored"] * 3},
        {"label": [3, 4, 5], "prediction": pa.array([3, 5, 5], pa.uint8())},
        {"label": ["cat", "dog", "elk"], "prediction": ["cat", "elk", "elk"]},
        {"label": [0, 1, 1], "scores": [[0.9, 0.1], [0.5, 0.5], [-3.0, 2.0]]},
        {"label": [0, 1, 1], "scores": pa.array([[9, 1], [5, 4], [1, 2]], pa.list_(pa.float32(), 2))},
    ],
)
def test_every_way_to_say_what_is_right(tmp_path: Path, columns: dict[str, Any]) -> None:
    said = read(written(tmp_path, key=["a", "b", "c"], **columns))
    assert said.correct.tolist() == [True, False, True]
    assert (said.keys, said.shards, said.benchmarks) == (["a", "b", "c"], None, None)


KEY = {"key": ["a", "b"]}
NAN = float("nan")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"correct": [1, 0]}, "no column `key`; there are correct"),
        ({"key": [1, 2], "correct": [1, 0]}, "column `key` is int64, want text"),
        ({"key": ["a", None], "correct": [1, 0]}, r"column `key` has 1 empty cell\(s\)"),
        ({**KEY, "shard": [0, 1], "correct": [1, 0]}, "column `shard` is int64, want text"),
        ({"key": pa.array([], pa.string()), "correct": pa.array([], pa.bool_())}, "it has no rows"),
        (KEY, "nothing says which predictions are right: want `correct`"),
        ({**KEY, "label": [1, 2]}, "nothing says which"),
        ({**KEY, "correct": [1, 2]}, "column `correct` is int64, want true and false, or nothing but 1 and 0"),
        ({**KEY, "correct": ["yes", "no"]}, "column `correct` is string"),
        ({**KEY, "correct": [True, None]}, r"column `correct` has 1 empty cell\(s\)"),
        ({**KEY, "label": [1, 2], "prediction": ["1", "2"]}, "`label` is int64 and `prediction` string"),
        ({**KEY, "label": [0, 1], "scores": [0.5, 0.5]}, "column `scores` is double, want a list"),
        ({**KEY, "label": [0, 1], "scores": [["a"], ["b"]]}, "column `scores` is list<.*>, want a list of numbers"),
        ({**KEY, "label": ["x", "y"], "scores": [[0.5], [0.5]]}, "column `label` is string, beside `scores`"),
        ({**KEY, "label": [0, 2], "scores": [[0.5, 1], [0.5, 1]]}, "`scores` have 2 numbers, `label` is 0 to 2"),
        ({**KEY, "label": [0, 0], "scores": [[0.5, 1], [0.5]]}, "`scores` have 1 or 2 numbers"),
        ({**KEY, "label": [0, 0], "scores": [[0.5, 1], [NAN, None]]}, r"`scores` of 1 row\(s\) are null or NaN"),
    ],
)  # fmt: skip
def test_bad_columns_are_one_line(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(FaultsError, match=said) as caught:
        read(written(tmp_path, **columns))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"key,correct\n")
    for name in ("x.parquet", "none.parquet"):
        with pytest.raises(SourceError, match=rf"{name}: no readable Parquet file of predictions"):
            read(str(tmp_path / name))


# -- joined with a run -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose corpus shows 2 of the 3 images of `drawn`."""
    folder = corpus(tmp_path_factory.mktemp("overlap"))
    made(folder, folder / "run")
    return folder


KEYS = ["class0/0", "class1/1", "class2/2"]


def said(folder: Path, tmp_path: Path, only: str | None = None, **columns: Any) -> tuple[str, list[dict[str, Any]]]:
    """Run the command: what it prints, and the rows it writes."""
    console = Console(width=200, file=io.StringIO())
    overlap(console, open_run(str(folder / "run")), written(tmp_path, **columns), only, str(tmp_path / "out"))
    rows: list[dict[str, Any]] = json.loads((tmp_path / "out" / "overlap.json").read_text())["benchmarks"]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), rows


def test_all_overlap_and_clean_of_a_run(folder: Path, tmp_path: Path) -> None:
    text, (row,) = said(folder, tmp_path, key=KEYS, correct=[True, True, False])
    assert (row["benchmark"], row["all_images"], row["overlap_images"], row["clean_images"]) == ("drawn", 3, 2, 1)
    assert (row["overlap_accuracy"], row["clean_accuracy"], row["p"]) == (1.0, 0.0, 0.0)
    assert "100.00%" in text
    assert "no prediction" not in text
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["overlap.csv", "overlap.json", "overlap.png", "overlap.tex"]


def test_what_is_not_matched_is_counted_and_said(folder: Path, tmp_path: Path) -> None:
    columns: dict[str, Any] = {"key": [*KEYS[:2], "no/1", "no/2", "x"], "correct": [1] * 5, "shard": ["00000"] * 5}
    columns["benchmark"] = ["drawn"] * 4 + ["other"]
    text, (row,) = said(folder, tmp_path, **columns)
    assert "1 predictions are of `other`, which is no benchmark of this run" in text
    assert "drawn: 2 keys are not in the benchmark, as `no/1`" in text
    assert "drawn: 1 of its 3 images have no prediction, 0 of Overlap" in text
    assert "drawn: Clean has no image with a prediction, so there is nothing to compare" in text
    assert (row["overlap_images"], row["p"]) == (2, None)
    text, (row,) = said(folder, tmp_path, key=KEYS[2:], correct=[True])
    assert "drawn: 2 of its 3 images have no prediction, 2 of Overlap" in text
    assert "drawn: Overlap has no image" in text


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"key": [*KEYS, KEYS[1]], "correct": [1] * 4}, r"1 key\(s\) of `drawn` come more than once, as `class1/1`"),
        ({"key": ["0", "1"], "correct": [1, 0]}, "no key is one of its images'; these are as `class0/0`"),
        ({"key": KEYS, "correct": [1] * 3, "shard": ["7"] * 3}, "3 keys are not in the benchmark"),
        ({"key": KEYS, "correct": [1] * 3, "benchmark": ["x"] * 3}, "no prediction is of a benchmark of this run"),
    ],
)  # fmt: skip
def test_predictions_that_cannot_be_joined(folder: Path, tmp_path: Path, columns: Any, fault: str) -> None:
    with pytest.raises(FaultsError, match=fault):
        said(folder, tmp_path, **columns)


def test_benchmarks_are_chosen_by_name(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="--benchmark cats is no benchmark of this run; it has drawn"):
        said(folder, tmp_path, "cats", key=KEYS, correct=[1] * 3)
    _, rows = said(folder, tmp_path, "drawn", key=KEYS, correct=[1] * 3)
    assert [row["benchmark"] for row in rows] == ["drawn"]


def test_tasks_on_one_set_of_images_and_a_train_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both tasks of `clevr` are compared on its images; the train split is not judged."""
    monkeypatch.setattr("curate.benchmarks.whole.check_count", lambda name, images: None)
    folder = corpus(tmp_path)
    where = {"path": f"{folder}/benchmark", "folder_shard": 2}
    made(folder, folder / "run", benchmarks={"clevr": where, "mine": {**where, "role": "train"}})
    named = ["clevr-count"] * 3 + ["clevr-distance"] * 3 + ["mine"]
    columns: dict[str, Any] = {"key": [*KEYS, *KEYS, KEYS[0]], "correct": [1, 1, 0, 0, 1, 1, 1], "benchmark": named}
    text, rows = said(folder, tmp_path, **columns)
    assert [(row["benchmark"], row["overlap_accuracy"]) for row in rows] == [
        ("clevr-count", 1),
        ("clevr-distance", 0.5),
    ]
    assert "1 predictions are of `mine`, a train split, on which no model is judged" in text
    with pytest.raises(FaultsError, match="no column `benchmark`, so say --benchmark NAME: it has clevr, mine"):
        said(folder, tmp_path, key=KEYS, correct=[1] * 3)


def test_the_command(folder: Path, tmp_path: Path) -> None:
    """Without --out the files go into the run; a fault is one line, and the exit code 1."""
    path = written(tmp_path, key=KEYS, correct=[1, 1, 0])
    words = [sys.executable, "-m", "curate", "overlap", str(folder / "run"), "--predictions"]
    done = subprocess.run([*words, path], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{folder}/run/overlap/overlap.csv, .tex, .json, .png" in done.stdout
    assert (folder / "run" / "overlap" / "overlap.tex").is_file()
    done = subprocess.run([*words, f"{tmp_path}/none"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_a_key_of_two_shards_needs_the_shard(tmp_path: Path) -> None:
    folder = corpus(tmp_path)
    for name, seed in (("0", 100), ("1", 30)):
        tar(folder / "tars" / f"{name}.tar", {"k": encoded(picture(seed))})
    made(folder, folder / "run", benchmarks={"drawn": {"path": f"{folder}/tars/*.tar"}})
    with pytest.raises(FaultsError, match="key `k` of `drawn` is in shards 0 and 1: add a column `shard`"):
        said(folder, tmp_path, key=["k"], correct=[1])
    _, (row,) = said(folder, tmp_path, key=["k", "k"], correct=[1, 0], shard=["0", "1"])
    assert (row["overlap_accuracy"], row["clean_accuracy"]) == (1.0, 0.0)


def test_a_run_that_is_not_finished(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(
        (folder / "run" / "run.json").read_text().replace(f"{folder}/run", f"{tmp_path}/run")
    )
    with pytest.raises(CurateError, match="views: not finished; finish the run first"):
        said(tmp_path, tmp_path, key=KEYS, correct=[1] * 3)
