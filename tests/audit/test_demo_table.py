"""The audit's table of the demo says what was planted, as far as detection found it; the README shows this table."""

from __future__ import annotations

import csv
import json
from collections import Counter

import pytest

from curate.store import Store
from tests.conftest import Demo

TRANSFORM = {"mirror": "mirrored", "rotate 90": "turned", "crop to 80 % of area": "cut"}
"""What an edit is in the table; the others leave all of the image where it is."""


@pytest.mark.timeout(1200)
def test_the_table_is_the_planted_truth(demo: Demo) -> None:
    folder = demo.folder / "runs" / "demo"
    planted = json.loads((folder / "web" / "truth.json").read_text())["edits"]
    decisions = Store(str(folder)).dataset("decisions").read_all(["url", "rule", "match_key"]).to_pylist()
    shown = {row["url"]: row["match_key"] for row in decisions if row["rule"] == "contamination"}
    found = {url: edit for url, edit in planted.items() if shown.pop(url, None) == edit["benchmark"]}
    assert len(found) > 0.95 * len(planted)
    assert not shown, "nothing else is contaminated"
    edits = Counter(edit["edit"] for edit in found.values())
    images = {edit["benchmark"] for edit in found.values()}
    told = {
        "images": sum(path.is_file() for path in (folder / "web" / "benchmark").rglob("*")),
        "unreadable": 0,
        "found": len(images),
        "samples": len(found),
        "byte_equal": edits["byte-equal copy"],
        "near": len(found) - edits["byte-equal copy"],
        "pairs": len(found),
        **{name: edits[edit] for edit, name in TRANSFORM.items()},
        "framed": 0,
        "unchanged": len(found) - sum(edits[edit] for edit in TRANSFORM),
    }
    (row,) = csv.DictReader((folder / "report" / "audit.csv").read_text().splitlines())
    assert {name: int(row[name]) for name in told} == told
    assert int(row["with_label"]) + int(row["image_only"]) + int(row["label_unknown"]) == len(images)
