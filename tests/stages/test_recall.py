"""Recall: copies of a benchmark's own images are made, sent through the run's own code, and counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg

from curate.contracts import contract
from curate.errors import SourceError, StaleError
from curate.executors import Ray, Serial
from curate.ops.edits import EDITS
from curate.ops.intervals import clopper_pearson
from curate.report import write_report
from curate.runner import run
from curate.sources import Sample
from curate.stages import contamination, recall, views
from curate.stages.contamination import ContaminationSettings
from curate.stages.recall import RecallSettings, Wanted, choose, edited
from curate.stages.signatures import SignaturesSettings
from curate.verify import verify_run
from tests.pictures import encode, png, rows, sample
from tests.runs import corpus, quiet, settings

HASHES = SignaturesSettings(embedding="none")
TEN = [sample(f"t{i}", png(100 + i, 200, 150)) for i in range(10)]


def look(samples: Sequence[Sample], shard: str = "b0") -> pa.Table:
    """The views of a benchmark, hashes only."""
    return views.make(HASHES)("drawn", shard, samples)


def measured(samples: Sequence[Sample], wanted: Wanted | None = None, **settings: Any) -> list[dict[str, Any]]:
    """The rows of one shard."""
    seen, given = look(samples), RecallSettings(**{"copies": 2, **settings})
    chosen = choose(seen, given).get(("drawn", "b0"), {}) if wanted is None else wanted
    measure = recall.make(HASHES, ContaminationSettings(), given, seen)
    found: list[dict[str, Any]] = contract("recall").check(measure("drawn", "b0", samples, chosen), "here").to_pylist()
    return found


# -- which images ------------------------------------------------------------------------------------------------------


def of_views(*images: tuple[str, str, str, bytes]) -> pa.Table:
    """Views of images given as (benchmark, shard, key, digest); unreadable where there is no digest."""
    given = [
        {
            "benchmark": b,
            "shard": s,
            "key": k,
            "status": "ok" if d else "truncated",
            "sha256": d * 32 or None,
            "view": v,
        }
        for b, s, k, d in images
        for v in ("whole", "square")
    ]
    return rows("views", *given)


def test_each_edit_draws_its_own_images_from_all_shards() -> None:
    many = of_views(*(("one", f"s{i % 3}", f"k{i}", bytes([i])) for i in range(60)))
    chosen = choose(many, RecallSettings(copies=4))
    by_edit: dict[str, set[str]] = {}
    for (_, shard), wanted in chosen.items():
        for key, edits in wanted.items():
            assert int(key[1:]) % 3 == int(shard[1:])
            for edit in edits:
                by_edit.setdefault(edit, set()).add(key)
    assert set(by_edit) == set(EDITS)
    assert {len(keys) for keys in by_edit.values()} == {4}
    assert len(set().union(*by_edit.values())) > 30
    assert len(chosen) == 3


def test_the_same_images_are_drawn_whatever_their_order_and_others_by_another_seed() -> None:
    images = [("one", "s", f"k{i}", bytes([i])) for i in range(20)]
    first = choose(of_views(*images), RecallSettings(copies=3))["one", "s"]
    again = choose(of_views(*images[::-1]), RecallSettings(copies=3))["one", "s"]
    other = choose(of_views(*images), RecallSettings(copies=3, seed=1))["one", "s"]
    assert {k: sorted(e) for k, e in first.items()} == {k: sorted(e) for k, e in again.items()}
    assert first != other


def test_unreadable_and_equal_images_are_not_tried_twice() -> None:
    few = of_views(
        ("one", "s", "a", b"a"), ("one", "s", "twin", b"a"), ("one", "s", "bad", b""), ("two", "s", "b", b"b")
    )
    chosen = choose(few, RecallSettings(copies=9))
    assert {place: list(wanted) for place, wanted in chosen.items()} == {("one", "s"): ["a"], ("two", "s"): ["b"]}
    assert choose(few, RecallSettings(copies=0)) == {}
    assert choose(contract("views").empty(), RecallSettings()) == {}


# -- the copies --------------------------------------------------------------------------------------------------------


def test_copies_are_the_same_wherever_they_are_made() -> None:
    """In a shard of its own or among others, but for the ground that two edits lay it on."""
    plain = {f"t{i}": ["mirror", "noise 15"] for i in range(3)}
    some = [c._replace(ground="") for c in edited(TEN, plain, 0, 10**8)]
    assert [(c.key, c.edit) for c in some] == [(f"t{i}", edit) for i in range(3) for edit in ("mirror", "noise 15")]
    alone = [c._replace(ground="") for c in edited(TEN, {"t2": plain["t2"]}, 0, 10**8)]
    assert alone == some[4:]
    assert next(iter(edited(TEN, {"t0": ["noise 15"]}, 1, 10**8))).jpeg != some[1].jpeg


def test_the_ground_is_another_picture_of_the_shard() -> None:
    wanted = {key: ["paste at half area"] for key in ("t1", "t4", "t5")}
    assert [(c.key, c.ground) for c in edited(TEN, wanted, 0, 10**8)] == [("t1", "t4"), ("t4", "t1"), ("t5", "t4")]
    assert [(c.key, c.ground) for c in edited(TEN, {"t4": ["mirror"]}, 0, 10**8)] == [("t4", "t0")]
    assert [(c.key, c.ground) for c in edited(TEN[:1], {"t0": list(EDITS)}, 0, 10**8)] == [("t0", "")] * len(EDITS)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (15, 15)])
def test_pictures_too_small_or_narrow_to_edit_are_left_out(size: tuple[int, int]) -> None:
    assert list(edited([sample("t", png(0, *size))], {"t": list(EDITS)}, 0, 10**8)) == []


@pytest.mark.parametrize("size", [(16, 16), (16, 128), (32, 32), (1500, 1100)])
def test_every_edit_can_be_made_of_the_smallest_and_of_large_ones(size: tuple[int, int]) -> None:
    made = list(edited([sample("t", png(0, *size)), TEN[0]], {"t": list(EDITS)}, 0, 10**8))
    assert [c.edit for c in made] == list(EDITS)
    shapes = [simplejpeg.decode_jpeg(c.jpeg).shape[:2] for c in made]
    assert max(max(shape) for shape in shapes) <= 1280


def test_an_image_that_is_gone_is_named() -> None:
    with pytest.raises(SourceError, match="`t9` of a benchmark is gone or changed since it was signed"):
        list(edited(TEN[:3], {"t0": ["mirror"], "t9": ["mirror"]}, 0, 10**8))
    with pytest.raises(SourceError, match="`t1`"):
        list(edited([TEN[0], sample("t1", b"<html>")], {"t1": ["mirror"]}, 0, 10**8))


# -- the counting ------------------------------------------------------------------------------------------------------


def test_rows_add_up_and_intervals_hold_the_recall() -> None:
    found = measured(TEN)
    assert [row["edit"] for row in found] == [*EDITS, "all"]
    every, whole = found[:-1], found[-1]
    for column in ("tried", "found", "wrong"):
        assert whole[column] == sum(row[column] for row in every)
    assert {row["tried"] for row in every} == {2}
    for row in found:
        assert row["recall"] == row["found"] / row["tried"]
        assert (row["low"], row["high"]) == clopper_pearson(row["found"], row["tried"])
        assert row["low"] <= row["recall"] <= row["high"]
    assert {row["edit"]: row["recall"] for row in found}["mirror"] == 1
    assert found == measured(TEN)


def test_a_matcher_that_finds_nothing_has_recall_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contamination, "make", lambda *_: lambda signatures: contract("contamination").empty())
    assert {(row["found"], row["wrong"], row["recall"]) for row in measured(TEN)} == {(0, 0, 0)}


def test_a_matcher_that_names_others_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names t0 for each copy, and t1 too."""
    named = [("drawn", "t0"), ("drawn", "t1")]

    def match(signatures: pa.Table) -> pa.Table:
        given = [
            {
                "key": k,
                "benchmark": b,
                "benchmark_shard": "b0",
                "benchmark_key": n,
                "kind": "near",
                "verified_by": "bytes",
            }
            for k in signatures["key"].to_pylist()
            for b, n in named
        ]
        return rows("contamination", *given)

    monkeypatch.setattr(contamination, "make", lambda *_: match)
    found = measured(TEN, {"t0": ["mirror"], "t4": ["mirror"], "t5": ["mirror"]})
    # t0 is right, t1 wrong; of t4, laid on t0, only t1 is wrong; of t5 both
    assert [(r["edit"], r["tried"], r["found"], r["wrong"]) for r in found] == [("mirror", 3, 1, 4), ("all", 3, 1, 4)]


def test_twins_inside_a_benchmark_are_reported() -> None:
    twins = [*TEN[:2], sample("twin", encode(simplejpeg.decode_jpeg(_jpeg(png(100, 200, 150))), "PNG"))]
    (row, _) = measured(twins, {"t0": ["mirror"]})
    assert (row["found"], row["wrong"]) == (1, 1)


def test_no_image_that_can_be_edited_has_no_row() -> None:
    assert measured([]) == []
    assert measured([sample("bad", b"<html>")]) == []


def _jpeg(data: bytes) -> bytes:
    import io

    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=80))


# -- in a run ----------------------------------------------------------------------------------------------------------

RUN: dict[str, object] = {"signatures": {"embedding": "none"}, "recall": {"copies": 1}}


def test_a_run_states_its_recall(tmp_path: Path) -> None:
    given = settings(corpus(tmp_path), tmp_path / "run", **RUN)
    store = run(given, Serial(), quiet)
    assert store.dataset("recall").parts() == ["drawn.00000"]
    page = Path(write_report(given, store)).read_text()
    (said,) = json.loads((tmp_path / "run" / "report" / "summary.json").read_text())["recall"]
    assert said["name"] == "drawn"
    assert [edit["edit"] for edit in said["edits"]] == list(EDITS)
    whole = {name: said["whole"][name] for name in ("tried", "found", "wrong")}
    assert whole == {name: sum(edit[name] for edit in said["edits"]) for name in whole}
    assert whole["tried"] == 24
    assert (
        f"Of 24 edited copies of the own images of <b>drawn</b>, {whole['found'] / 24:.2%}".replace("%", " %") in page
    )
    assert verify_run(given, store, lambda line: None) == []


def test_recall_is_measured_again_when_the_settings_of_the_search_change(tmp_path: Path) -> None:
    folder = corpus(tmp_path)
    run(settings(folder, tmp_path / "run", **RUN), Serial(), quiet)
    strict = settings(folder, tmp_path / "run", **RUN, contamination={"radius": 3})
    with pytest.raises(StaleError):
        run(strict, Serial(), quiet)
    again = run(strict, Serial(), quiet, replace=True).read_json("recall", "manifest.json")
    fresh = run(settings(folder, tmp_path / "fresh", **RUN, contamination={"radius": 3}), Serial(), quiet)
    assert again
    assert again["content"] == (fresh.read_json("recall", "manifest.json") or {})["content"]


def test_no_copies_no_recall(tmp_path: Path) -> None:
    given = settings(corpus(tmp_path), tmp_path / "run", **{**RUN, "recall": {"copies": 0}})
    store = run(given, Serial(), quiet)
    assert not (tmp_path / "run" / "recall").exists()
    assert "The recall of this audit was not measured" in Path(write_report(given, store)).read_text()


@pytest.mark.usefixtures("ray_session")
def test_ray_measures_the_same(tmp_path: Path) -> None:
    """Over three shards of a benchmark."""
    folder = corpus(tmp_path)
    many = {**RUN, "benchmarks": {"drawn": {"path": f"{folder}/benchmark", "folder_shard": 1}}}
    given = settings(folder, tmp_path / "run", **many)
    local = run(given, Serial(), quiet).read_json("recall", "manifest.json")
    shutil.rmtree(tmp_path / "run" / "recall")
    ray = run(given, Ray(None), quiet, stage="recall").read_json("recall", "manifest.json")
    assert local
    assert ray
    assert (local["content"], len(local["parts"])) == (ray["content"], 3)
