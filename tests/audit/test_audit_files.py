"""The audit's table and lists: numbers one counts by hand, cells that run nowhere, DataComp's uids."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.report import write_report
from curate.report.audit import Row, has_label
from curate.report.audit_removal import packed
from curate.report.audit_table import as_csv, as_latex, as_parquet, escaped, quoted
from curate.store import Store
from tests.runs import corpus, encoded, made, picture, settings, tar


def report(folder: Path, **tables: Any) -> tuple[Store, dict[str, Any]]:
    """Run, report, and the audit's numbers."""
    store = made(folder, folder / "run", **tables)
    write_report(settings(folder, folder / "run", **tables), store)
    return store, store.read_json("report", "audit.json") or {}


def test_the_numbers_are_those_one_counts_by_hand(tmp_path: Path) -> None:
    corpus(tmp_path)
    tar(
        tmp_path / "corpus" / "00002.tar",
        {
            "c0": (encoded(picture(102)), "here: Class2!"),
            "c1": ((tmp_path / "benchmark" / "class1" / "1.png").read_bytes(), "nothing"),
        },
    )
    for old, new in (("class0", "cat"), ("class1", "sea_lion"), ("class2", "dog")):
        (tmp_path / "benchmark" / old).rename(tmp_path / "benchmark" / new)
    tar(tmp_path / "corpus" / "00003.tar", {"d0": (encoded(picture(101)), "Two SEA LIONS, one sea lion")})
    own = {"contamination": {"thresholds": {"drawn": {"min_similarity": 0.9, "min_agreement": 0.6}}}}
    store, told = report(tmp_path, **own)
    (row,) = told["benchmarks"]
    low, high = row.pop("low"), row.pop("high")
    assert low < row["share"] == 1 == high
    assert row == {
        "benchmark": "drawn", "role": "test", "images": 3, "unreadable": 0, "found": 3, "share": 1.0,
        "samples": 5, "byte_equal": 1, "near": 4,
        "pairs": 5, "mirrored": 1, "turned": 0, "cut": 0, "framed": 0, "unchanged": 4,
        "with_label": 1, "image_only": 2, "label_unknown": 0,
        "min_similarity": 0.9, "min_agreement": 0.6, "calibration": "run file", "false_per_million": None,
        "copies": 0, "recall": None, "recall_low": None, "recall_high": None,
    }  # fmt: skip
    assert told["proved"] == 9
    assert told["removed"]["samples"] == 5
    assert store.fs.cat_file(store.path("report", "removed_keys.txt")).decode() == (
        "00000:a6\n00001:b3\n00002:c0\n00002:c1\n00003:d0\n"
    )
    removed = pq.read_table(f"{tmp_path}/run/report/removed_keys.parquet").to_pylist()
    why = "shows 00000:sea_lion/1: the same bytes"
    assert removed[3] == {"shard": "00002", "key": "c1", "benchmark": "drawn", "why": why, "uid": None}


def test_train_splits_are_told_and_remove_nothing(tmp_path: Path) -> None:
    corpus(tmp_path)
    where = {"drawn": {"path": f"{tmp_path}/benchmark", "role": "train"}}
    _, told = report(tmp_path, benchmarks=where)
    assert (told["benchmarks"][0]["role"], told["benchmarks"][0]["found"]) == ("train", 2)
    assert (told["removed"]["samples"], told["proved"]) == (0, 11)


@pytest.mark.parametrize(
    ("label", "own", "caption", "said"),
    [
        ("cat", "Cat", None, True),
        ("cat", "dog", None, False),
        ("cat", None, "my CAT.", True),
        ("cat", None, "category theory", False),
        ("sea_lion", None, "a sea lion", True),
        ("tench, Tinca tinca", None, "Tinca tinca in a pond", True),
        ("cat", "pet", "the cat", True),
        ("3", None, "3 cats", None),
        ("n01440764", None, "a tench", None),
        ("3", "3", None, True),
        ("3", "4", "3 cats", False),
        ("cat", None, None, None),
        ("cat", None, "", None),
        (None, "cat", "cat", None),
    ],
)
def test_a_label_is_the_samples_own_or_named_in_its_caption(
    label: str | None, own: str | None, caption: str | None, said: bool | None
) -> None:
    assert has_label(label, own, caption) is said


def row(**other: Any) -> Row:
    numbers = {"share": 0.5, "low": 0.1, "high": 0.9, "min_similarity": 0.92, "min_agreement": 0.5}
    text = {"benchmark": "a_b", "role": "test", "calibration": "defaults"}
    empty = dict.fromkeys(("recall", "recall_low", "recall_high", "false_per_million"))
    names = [f for f in Row.__dataclass_fields__ if f not in {*numbers, *text, *empty}]
    return Row(**{**dict.fromkeys(names, 1), **numbers, **text, **empty, **other})


def test_no_cell_is_a_formula_and_none_is_latex() -> None:
    hostile = row(benchmark="-x", calibration="=HYPERLINK(1)")
    (cells,) = csv.DictReader(io.StringIO(as_csv([hostile]).decode()))
    assert (cells["benchmark"], cells["calibration"], cells["recall"]) == ("'-x", "'=HYPERLINK(1)", "")
    assert [quoted(v) for v in ("+1", "@a", "a=b", -1)] == ["'+1", "'@a", "a=b", -1]
    assert rb"a\_b & 1 & 1 (50.00\%) & 10.00\%--90.00\% & 1 & 1 & 1 & not measured \\" in as_latex([row()])
    assert escaped("50 % \\ {~^}") == r"50 \% \textbackslash{} \{\textasciitilde{}\textasciicircum{}\}"


def test_parquet_has_its_types_even_of_nothing() -> None:
    assert as_parquet([]).schema == as_parquet([row()]).schema
    assert as_parquet([row()])["recall"].type == pa.float64()


def test_uids_are_packed_as_datacomp_has_them() -> None:
    uids = ["ffffffffffffffff0000000000000001", "00000000000000020000000000000003", "ffffffffffffffff0000000000000001"]
    array = packed(uids)
    assert array.dtype == np.dtype("u8,u8")
    assert array.tolist() == [(2, 3), (2**64 - 1, 1)]
    assert packed([]).shape == (0,)


def test_uids_come_from_keys_or_from_the_parquet_beside(tmp_path: Path) -> None:
    corpus(tmp_path)
    uid = "0123456789abcdef0123456789abcdef"
    tar(tmp_path / "corpus" / "00002.tar", {uid: encoded(picture(102))})
    store, told = report(tmp_path)
    assert told["removed"]["no_uids"] == "2 of 3 samples have no uid, as key or in a Parquet beside"
    assert not store.fs.exists(store.path("report", "removed_uids.npy"))
    for shard, keys in (("00000", [f"a{i}" for i in range(8)]), ("00001", [f"b{i}" for i in range(6)])):
        uids = [f"{shard[-1]}{i}".zfill(32) for i in range(len(keys))]
        table = {"key": keys, "uid": uids, "status": ["success"] * len(keys), "url": [""] * len(keys)}
        pq.write_table(pa.table(table), tmp_path / "corpus" / f"{shard}.parquet")
    write_report(settings(tmp_path, tmp_path / "run"), store)
    found = np.load(tmp_path / "run" / "report" / "removed_uids.npy")
    assert found.tolist() == [(0, 6), (0, 0x13), (0x0123456789ABCDEF, 0x0123456789ABCDEF)]
