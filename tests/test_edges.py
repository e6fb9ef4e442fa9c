"""Runs over corpora at the edge: nothing, one sample, nothing readable, one picture or one blank throughout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from curate.executors import Serial
from curate.runner import run
from curate.store import Store
from curate.verify import verify_run
from tests.runs import contents, corpus, encoded, made, picture, quiet, settings, tar

BLANK = encoded(Image.new("RGB", (64, 48), "white"))
CORPORA: dict[str, tuple[dict[str, bytes], dict[str, int]]] = {
    "none": ({}, {}),
    "one": ({"a": encoded(picture(0))}, {"none": 1}),
    "unreadable": (dict.fromkeys("abc", b"no picture"), {"status": 3}),
    "copies": ({f"{i:02}": encoded(picture(0)) for i in range(30)}, {"none": 1, "duplicate": 29}),
    "edited copies": (
        {f"{i:02}": encoded(picture(0), quality=60 + i) for i in range(30)},
        {"none": 1, "duplicate": 29},
    ),
    "one blank": ({f"{i:02}": BLANK for i in range(30)}, {"none": 1, "duplicate": 29}),
    "blanks": (
        {f"{i:02}": encoded(Image.new("RGB", (64, 48), (8 * i, 0, 0))) for i in range(30)},
        {"none": 30},  # nothing is seen in them by which they could be one
    ),
}


@pytest.mark.parametrize("in_memory", [2_000_000, 1], ids=["in memory", "exchanged"])
@pytest.mark.parametrize("name", CORPORA)
def test_edges_finish_with_the_right_answer(tmp_path: Path, name: str, in_memory: int) -> None:
    samples, rules = CORPORA[name]
    tar(tmp_path / "corpus" / "00000.tar", samples)
    told = settings(tmp_path, tmp_path / "run", benchmarks={}, duplicates={"in_memory": in_memory})
    store = run(told, Serial(), quiet)
    decided = store.dataset("decisions").read_all().to_pylist()
    assert {rule: sum(row["rule"] == rule for row in decided) for rule in {row["rule"] for row in decided}} == rules
    kept = [row["key"] for row in decided if row["decision"] == "keep"]
    assert {row["match_key"] for row in decided if row["rule"] == "duplicate"} <= set(kept)
    assert store.dataset("clean").read_all(["source_key"])["source_key"].to_pylist() == kept
    assert verify_run(told, store, lambda said: None) == []


@pytest.mark.parametrize("in_memory", [2_000_000, 2], ids=["in memory", "exchanged"])
def test_making_duplicates_again_changes_no_byte_of_the_decisions(tmp_path: Path, in_memory: int) -> None:
    folder = corpus(tmp_path)
    told = settings(folder, tmp_path / "run", duplicates={"in_memory": in_memory})
    store = made(folder, tmp_path / "run", duplicates={"in_memory": in_memory})
    before, digests = _bytes(store, "decisions"), contents(store)
    for lost in ((), ("duplicates",), ("duplicates", "decisions")):
        for dataset in lost:
            shutil.rmtree(tmp_path / "run" / dataset)
        for stage in ("duplicates", "decisions"):
            run(told, Serial(), quiet, stage=stage)
        assert _bytes(store, "decisions") == before
        assert contents(store) == digests


def _bytes(store: Store, dataset: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(store.path(dataset)).glob("*.parquet")}
