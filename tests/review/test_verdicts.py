"""Verdicts are kept line by line, the last counts, and a match judged different drops its sample no longer."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from curate.contracts import contract
from curate.errors import ContractError, DigestError, StaleError
from curate.executors import Serial
from curate.review import verdicts
from curate.review.settings import ReviewSettings
from curate.review.summary import Review, draw, drawn, summarise
from curate.runner import run
from curate.steps import STEPS
from curate.store import Store
from curate.verify import verify_run
from tests.runs import contents, corpus, made, quiet, settings

PAIR = {"benchmark": "b", "benchmark_shard": "s", "benchmark_key": "k", "shard": "00000", "key": "a"}


def pair(key: str, shard: str = "00000") -> dict[str, str]:
    return {**PAIR, "key": key, "shard": shard}


def said(store: Store) -> dict[str, str]:
    return {row["key"]: row["verdict"] for row in verdicts.read(store).to_pylist()}


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(str(tmp_path) if request.param == "disk" else f"memory://{tmp_path.name}")


def test_the_last_verdict_of_a_pair_counts(store: Store) -> None:
    assert said(store) == {}
    told = [("a", "same"), ("b", "different"), ("a", "unsure"), ("c", "same"), ("c", "withdrawn"), ("b", "different")]
    for key, verdict in told:
        verdicts.append(store, verdicts.judged(pair(key), verdict, "ann"))
    assert said(store) == {"a": "unsure", "b": "different"}
    assert verdicts.overruled(store) == {"00000": [["b", "s", "k", "00000", "b"]]}
    assert store.fs.cat_file(store.path("review", "verdicts.jsonl")).count(b"\n") == len(told)


def test_half_a_line_at_the_end_was_not_said(store: Store) -> None:
    verdicts.append(store, verdicts.judged(pair("a"), "same", "ann"))
    whole = store.fs.cat_file(store.path("review", "verdicts.jsonl"))
    store.write_bytes(whole + whole[:40], "review", "verdicts.jsonl")
    assert said(store) == {"a": "same"}
    verdicts.append(store, verdicts.judged(pair("b"), "same", "ann"))
    assert said(store) == {"a": "same", "b": "same"}


@pytest.mark.parametrize("line", ["{}", "[]", "nonsense", '"text"', "", json.dumps({**PAIR, "verdict": "maybe"})])
def test_a_line_that_is_no_verdict_is_named(tmp_path: Path, line: str) -> None:
    store = Store(str(tmp_path))
    verdicts.append(store, verdicts.judged(pair("a"), "same", "ann"))
    with (tmp_path / "review" / "verdicts.jsonl").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(DigestError, match=r"verdicts.jsonl: line 2 is no verdict; delete that line"):
        verdicts.read(store)


def test_only_words_of_the_closed_list_are_written(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="'maybe'"):
        verdicts.append(Store(str(tmp_path)), verdicts.judged(pair("a"), "maybe", "ann"))
    assert not list(tmp_path.iterdir())


def test_two_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path))

    def review(name: str) -> None:
        for number in range(25):
            verdicts.append(store, verdicts.judged(pair(f"{name}{number}"), "same", name))

    both = [threading.Thread(target=review, args=(name,)) for name in "xy"]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(said(store)) == 50


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return corpus(tmp_path)


def judge(store: Store, key: str, verdict: str) -> None:
    (row,) = [r for r in store.dataset("contamination").read_all().to_pylist() if r["key"] == key]
    verdicts.append(store, verdicts.judged(row, verdict, "ann"))


def kept(store: Store) -> set[str]:
    rows = store.dataset("decisions").read_all(["key", "decision"]).to_pylist()
    return {row["key"] for row in rows if row["decision"] == "keep"}


def test_a_match_judged_different_drops_its_sample_no_longer(folder: Path) -> None:
    store = made(folder, folder / "run")
    before, first = kept(store), contents(store)
    judge(store, "a6", "different")
    judge(store, "b3", "same")
    with pytest.raises(StaleError, match=r"duplicates.*its inputs changed"):
        made(folder, folder / "run")
    wanted = settings(folder, folder / "run")
    run(wanted, Serial(), quiet, replace=True)
    assert kept(store) == before | {"a6"}
    assert verify_run(wanted, store, print) == []
    judge(store, "a6", "withdrawn")
    run(wanted, Serial(), quiet, replace=True)
    assert kept(store) == before
    assert contents(store) == first


def test_verdicts_that_overrule_nothing_leave_every_part_as_it_is(folder: Path) -> None:
    store = made(folder, folder / "run")
    for key, verdict in (("a6", "same"), ("b3", "unsure"), ("b3", "different"), ("b3", "same")):
        judge(store, key, verdict)
    parts = {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.parquet")}
    made(folder, folder / "run")  # StaleError if a recipe had changed
    assert {path: path.stat().st_mtime_ns for path in (folder / "run").rglob("*.parquet")} == parts


def test_verdicts_are_read_once_a_worker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read is a round trip where the run lies on an object store."""
    store, wanted = made(folder, folder / "run"), settings(folder, folder / "run")
    judge(store, "a6", "different")
    steps = [step for step in STEPS if step.name in ("duplicates", "decisions", "proof")]
    opened = [(step.open(wanted, store).work, step.tasks(wanted, store)) for step in steps]
    monkeypatch.setattr(verdicts, "_read", None)
    assert [len([work(task) for task in tasks]) for work, tasks in opened] == [1, 2, 3]
    with pytest.raises(TypeError):
        verdicts.read(store)


def test_a_sample_that_shows_two_images_stays_dropped_for_the_other(folder: Path) -> None:
    (folder / "benchmark" / "class0" / "twin.png").write_bytes((folder / "benchmark" / "class0" / "0.png").read_bytes())
    store = made(folder, folder / "run")
    rows = [r for r in store.dataset("contamination").read_all().to_pylist() if r["key"] == "a6"]
    assert len(rows) == 2
    verdicts.append(store, verdicts.judged(rows[0], "different", "ann"))
    run(settings(folder, folder / "run"), Serial(), quiet, replace=True)
    (row,) = [r for r in store.dataset("decisions").read_all().to_pylist() if r["key"] == "a6"]
    assert (row["rule"], row["match_key"]) == ("contamination", rows[1]["benchmark_key"])


def test_the_sample_is_drawn_by_the_seed_and_the_matches_alone() -> None:
    rows = [{c.name: pair(f"{i}").get(c.name, "same") for c in contract("verdicts").columns} for i in range(60)]
    schema = contract("verdicts").schema
    table = schema.empty_table().from_pylist(rows, schema=schema)
    other = schema.empty_table().from_pylist(rows[::-1], schema=schema)
    first = drawn(ReviewSettings(sample=20), table)
    assert first == drawn(ReviewSettings(sample=20), other)
    assert first == drawn(ReviewSettings(sample=30), table)[:20]
    assert first != drawn(ReviewSettings(sample=20, seed=1), table)
    assert len(drawn(ReviewSettings(sample=100), table)) == 60


def test_precision_is_what_one_counts_by_hand(folder: Path) -> None:
    store = made(folder, folder / "run")
    assert {row["key"] for row in draw(ReviewSettings(), store).drawn} == {"a6", "b3"}

    def review(sample: int = 200) -> Review:
        return summarise(draw(ReviewSettings(sample=sample), store), store)

    empty = review().whole
    assert (empty.near, empty.drawn, empty.precision, empty.low, empty.high) == (2, 2, None, 0.0, 1.0)
    judge(store, "a6", "same")
    judge(store, "b3", "different")
    half = review().whole
    assert (half.same, half.different, half.precision) == (1, 1, 0.5)
    assert (round(half.low, 4), round(half.high, 4)) == (0.0126, 0.9874)  # Clopper and Pearson, 1 of 2
    assert (review().elsewhere, review().overruled) == (0, 1)
    judge(store, "b3", "unsure")
    unsure = review()
    assert (unsure.whole.precision, unsure.whole.unsure, unsure.whole.high) == (1.0, 1, 1.0)
    assert round(unsure.whole.low, 4) == 0.0126  # the one that is unsure may be different
    assert [b.name for b in unsure.benchmarks] == ["drawn"]
    assert (review(1).whole.drawn, review(1).elsewhere) == (1, 1)
    assert review(0).whole.precision is None
