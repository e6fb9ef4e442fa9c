"""More that arrives later: held against finished runs, without reading their images or comparing their pairs again."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from curate.errors import CurateError
from curate.executors import Serial
from curate.explain import explain
from curate.runner import run
from curate.store import Store
from curate.verify import verify_run
from tests.runs import contents, encoded, made, picture, quiet, settings, tar


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A first corpus of five pictures, of which one is twice there; then a second of new ones and copies of both."""
    first = {f"a{i}": encoded(picture(i)) for i in range(5)} | {"a5": encoded(picture(0), quality=50)}
    second = {"b0": encoded(picture(1)), "b1": encoded(picture(2), quality=40), "b2": encoded(picture(9))}
    second |= {"b3": encoded(picture(9), quality=60), "b4": encoded(picture(0).resize((320, 240)))}
    tar(tmp_path / "one" / "corpus" / "00000.tar", first)
    tar(tmp_path / "two" / "corpus" / "00000.tar", second)
    for name in ("one", "two"):
        path = tmp_path / name / "benchmark" / "class0" / "0.png"
        path.parent.mkdir(parents=True)
        picture(100).save(path)
    return tmp_path


def test_what_repeats_a_finished_run_is_dropped_for_its_kept_sample(folder: Path) -> None:
    old = made(folder / "one", folder / "old", duplicates={"radius": 40})
    shutil.rmtree(folder / "one" / "corpus")
    told = settings(folder / "two", folder / "new", duplicates={"radius": 40, "against": [old.root]})
    store = run(told, Serial(), quiet)
    rows = store.dataset("duplicates").read_all().to_pylist()
    assert [(r["key"], r["keeper_run"], r["keeper_key"], r["kind"]) for r in rows] == [
        ("b0", old.root, "a1", "byte_equal"),
        ("b1", old.root, "a2", "near"),
        ("b3", None, "b2", "near"),
        ("b4", old.root, "a0", "near"),  # it has more pixels, but a0 was kept before it came
    ]
    decisions = {row["key"]: row for row in store.dataset("decisions").read_all().to_pylist()}
    assert (decisions["b0"]["match_run"], decisions["b0"]["match_key"]) == (old.root, "a1")
    assert verify_run(told, store, lambda said: None) == []
    sentence = next(iter(explain(told, store, "b1")))
    assert str(sentence) == f"00000:b1  is dropped: it repeats 00000:a2 of {old.root}, which is kept."
    before = contents(store)
    assert contents(run(told, Serial(), quiet, stage="duplicates")) == before

    small = settings(folder / "two", folder / "small", duplicates={"radius": 40, "against": [old.root], "in_memory": 1})
    assert contents(run(small, Serial(), quiet))["decisions"] == before["decisions"]


def test_earlier_runs_must_be_finished_and_signed_alike(folder: Path) -> None:
    made(folder / "one", folder / "old", signatures={"min_contrast": 9})
    with pytest.raises(CurateError, match=r"old: was signed with min_contrast 9.0, this run with 4.0"):
        made(folder / "two", folder / "new", duplicates={"against": [str(folder / "old")]})
    with pytest.raises(CurateError, match=r"none/decisions: not finished, so nothing can be held against it"):
        made(folder / "two", folder / "other", duplicates={"against": [str(folder / "none")]})


def test_later_runs_look_into_the_cells_of_the_first(folder: Path) -> None:
    made(folder / "one", folder / "old", signatures={"embedding": "detector"})
    tables = {"signatures": {"embedding": "detector"}, "duplicates": {"against": [str(folder / "old")]}}
    store = made(folder / "two", folder / "new", **tables)
    first = Store(str(folder / "old")).dataset("cells").read_all()
    assert store.dataset("cells").read_all().equals(first)
    assert first["cell"].to_pylist() == [0]


def test_captions_are_merged_into_the_json_of_the_keeper(folder: Path) -> None:
    store = made(folder / "two", folder / "new", duplicates={"radius": 40, "captions": "merge"})
    found: dict[str, bytes] = {}
    for part in store.dataset("clean").parts():
        with tarfile.open(store.dataset("clean").path(part, "tar")) as shard:
            found |= {m.name: shard.extractfile(m).read() for m in shard}  # type: ignore[union-attr]
    assert [json.loads(data)["captions"] for name, data in found.items() if name.endswith(".json")] == [
        ["picture b2", "picture b3"]
    ]
    assert found["b2.txt"] == b"picture b2"
