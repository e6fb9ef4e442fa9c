"""The report of a real small run: its numbers, its pictures, and what it does when shards are gone."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path

import pytest

from curate import sources
from curate.errors import CurateError
from curate.report import write_report
from curate.review import verdicts
from curate.sources import Shard, SourceSettings
from curate.store import Store
from tests.report import scripts
from tests.runs import corpus, encoded, made, picture, settings, tar


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return corpus(tmp_path)


def page_of(folder: Path, out: str | Path, **tables: object) -> str:
    """Run, report, and the page as text."""
    store = made(folder, out, **tables)
    path = write_report(settings(folder, out, **tables), store)
    return bytes(store.fs.cat_file(path)).decode()


def modes(store: Store) -> list[str]:
    """`L` or `RGB` of every thumbnail."""
    return [image.mode for image in scripts.pictures(scripts.pairs(store))]


def test_numbers_are_those_one_counts_by_hand(folder: Path) -> None:
    page_of(folder, folder / "run")
    said = json.loads((folder / "run" / "report" / "summary.json").read_text())
    assert [(step["name"], step["count"], step["taken"]) for step in said["funnel"]] == [
        ("input", 14, 0),
        ("fetched", 14, 0),
        ("readable", 13, 1),
        ("of quality", 13, 0),
        ("not contaminated", 11, 2),
        ("not duplicate", 9, 2),
        ("kept", 9, 0),
    ]
    assert said["funnel"][-1]["share"] == 9 / 14
    assert [(y["status"], y["count"]) for y in said["statuses"]] == [("ok", 13), ("truncated", 1)]
    audit = said["benchmarks"][0]
    assert (round(audit.pop("low"), 4), round(audit.pop("high"), 4)) == (0.2077, 0.9385)
    assert {name: audit[name] for name in ("benchmark", *_COUNTED)} == {
        "benchmark": "drawn",
        "images": 3,
        "unreadable": 0,
        "found": 2,
        "share": 2 / 3,
        "samples": 2,
        "byte_equal": 0,
        "near": 2,
    }
    assert said["duplicates"] == {
        "samples": 2,
        "byte_equal": 1,
        "near": 1,
        "groups": 2,
        "semantic": 0,
        "overlaid": 0,
        "overlaid_kept": 0,
        "missed": None,
        "semantic_from": None,
        "stays": 9 / 11,
    }
    assert said["emitted"] == 9
    assert {stage["name"]: stage["rows"] for stage in said["stages"]}["decisions"] == 14
    assert said["versions"]["pillow"]
    assert said["version"] == 2


_COUNTED = ("images", "unreadable", "found", "share", "samples", "byte_equal", "near")


def test_a_benchmark_counts_an_image_once_however_many_samples_show_it(folder: Path) -> None:
    shutil.copy(folder / "benchmark" / "class0" / "0.png", folder / "benchmark" / "class0" / "same.png")
    (folder / "benchmark" / "class1" / "broken.png").write_bytes(b"<html>")
    image = (folder / "benchmark" / "class2" / "2.png").read_bytes()
    tar(folder / "corpus" / "00002.tar", {"c0": image, "c1": encoded(picture(102)), "c2": image})
    page_of(folder, folder / "run")
    audit = json.loads((folder / "run" / "report" / "summary.json").read_text())["benchmarks"][0]
    # found: the mirrored 0 and its twin by a6, 1 by b3, 2 by c0, c1 and c2
    assert (audit["images"], audit["unreadable"], audit["found"]) == (5, 1, 4)
    assert (audit["samples"], audit["byte_equal"], audit["near"]) == (5, 2, 3)


def test_the_corpus_is_listed_once_for_a_report(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pictures and its uids are asked for by one listing, which takes requests where it is large and far away."""
    store = made(folder, folder / "run")
    listed: list[str] = []

    def find(where: SourceSettings) -> list[Shard]:
        listed.append(where.path)
        return found(where)

    found = sources.find
    monkeypatch.setattr(sources, "find", find)
    write_report(settings(folder, folder / "run"), store)
    assert sorted(listed) == sorted([f"{folder}/corpus/*.tar", f"{folder}/benchmark"])


def test_pairs_stand_side_by_side_in_colour(folder: Path) -> None:
    page_of(folder, folder / "run")
    pairs = scripts.pairs(Store(str(folder / "run")))
    shown = scripts.pictures(pairs)
    assert len(shown) == 8  # 2 matches and 2 duplicates
    assert {image.mode for image in shown} == {"RGB"}
    assert max(max(image.size) for image in shown) <= 160
    (mirrored,) = (pair for pair in pairs if pair["sample"] == "00000:a6")
    assert (mirrored["gallery"], mirrored["match"], mirrored["kind"]) == ("drawn", "00000:class0/0", "near")
    assert mirrored["changes"] == 1
    assert sorted(pair["drawn"] for pair in pairs) == [0, 0, 1, 2]
    assert mirrored["view"].endswith("mirror")
    assert "correlation" in mirrored["evidence"]
    assert ["decision", "drop"] in mirrored["ledger"]
    assert ["rule", "contamination"] in mirrored["ledger"]
    assert mirrored["explain"] == f"curate explain {folder}/run 00000:a6"
    (copy,) = (pair for pair in pairs if pair["sample"] == "00000:a7")
    assert (copy["gallery"], copy["match"], copy["drawn"]) == ("", "00000:a0", 0)
    assert copy["pictures"][0]["caption"] == "picture a7"
    original = encoded(picture(0), quality=40)
    assert base64.b64encode(original).decode()[:200] not in str(pairs)


def test_the_cap_on_pairs_is_said(folder: Path) -> None:
    capped = {"report": {"pairs": 1, "duplicates": 1}, "review": {"sample": 0}}
    page = page_of(folder, folder / "run", **capped)
    assert len(scripts.pairs(Store(str(folder / "run")))) == 2
    assert page.count("1 of 2 pairs are shown") == 2
    page = page_of(folder, folder / "run", report={"pairs": 0, "duplicates": 0}, review={"sample": 0})
    assert scripts.pairs(Store(str(folder / "run"))) == []
    assert page.count("0 of 2 pairs are shown") == 2


def test_pairs_drawn_for_review_are_shown_whatever_the_cap(folder: Path) -> None:
    page_of(folder, folder / "run", report={"pairs": 0, "duplicates": 0})
    assert {pair["sample"] for pair in scripts.pairs(Store(str(folder / "run")))} == {"00000:a6", "00001:b3"}


def test_what_a_longer_report_left_is_deleted(folder: Path) -> None:
    store = made(folder, folder / "run")
    store.write_bytes(b"take()", "report", "pairs", "7.js")
    write_report(settings(folder, folder / "run"), store)
    assert sorted(path.name for path in (folder / "run" / "report" / "pairs").iterdir()) == ["0.js", "index.js"]


def test_the_nearest_pairs_come_first_and_a_pair_keeps_its_name(folder: Path) -> None:
    page_of(folder, folder / "run")
    pairs = scripts.pairs(Store(str(folder / "run")))
    scores = [pair["score"] for pair in pairs if pair["gallery"]]
    assert scores == sorted(scores, reverse=True)
    page_of(folder, folder / "other", report={"pairs": 1, "duplicates": 0})
    other = scripts.pairs(Store(str(folder / "other")))
    assert {pair["name"] for pair in other} <= {pair["name"] for pair in pairs}


def test_verdicts_are_on_the_page(folder: Path) -> None:
    store = made(folder, folder / "run")
    row = store.dataset("contamination").read_all().to_pylist()[0]
    verdicts.append(store, verdicts.judged(row, "different", "ann"))
    write_report(settings(folder, folder / "run"), store)
    index = scripts.read(store, "index")
    assert index["said"] == {verdicts.name_of(row): "different"}
    assert index["review"]["whole"]["different"] == 1


def test_without_the_shards_the_stored_previews_are_shown(folder: Path) -> None:
    store = made(folder, folder / "run")
    shutil.rmtree(folder / "corpus")
    write_report(settings(folder, folder / "run"), store)
    assert (modes(store).count("L"), modes(store).count("RGB")) == (6, 2)  # the benchmark's folder is still there
    pairs = scripts.pairs(store)
    assert sum(picture["grey"] for pair in pairs for picture in pair["pictures"]) == 6


def test_bytes_that_changed_since_are_not_shown(folder: Path) -> None:
    store = made(folder, folder / "run")
    tar(folder / "corpus" / "00000.tar", {f"a{i}": encoded(picture(900 + i)) for i in range(8)})
    write_report(settings(folder, folder / "run"), store)
    assert modes(store).count("L") == 4  # a6; a7 and its keeper a0; a3, keeper of b4


def test_only_so_many_shards_are_read_again(folder: Path) -> None:
    page_of(folder, folder / "run", report={"shards_read": 0})
    assert set(modes(Store(str(folder / "run")))) == {"L"}


def test_no_benchmark_is_said_plainly(folder: Path) -> None:
    page = page_of(folder, folder / "run", benchmarks={})
    assert "was given no benchmark" in page
    assert [gallery["name"] for gallery in scripts.read(Store(str(folder / "run")), "index")["galleries"]] == [""]


def test_a_run_on_an_object_store_has_its_report_there(folder: Path) -> None:
    page = page_of(folder, f"memory://{folder.name}")
    assert "not contaminated" in page
    store = Store(f"memory://{folder.name}")
    assert store.read_json("report", "summary.json")
    assert len(scripts.pairs(store)) == 4


def test_an_unfinished_run_is_refused_by_name(folder: Path) -> None:
    store = made(folder, folder / "run")
    store.delete("decisions", "manifest.json")
    with pytest.raises(CurateError, match=r"decisions: not finished"):
        write_report(settings(folder, folder / "run"), store)
