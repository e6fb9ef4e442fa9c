"""The closing tables tell found from missed, and name whatever went wrong, on tables one can check by eye."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from curate.contracts import contract
from curate.demo.summary import Case, Summary, Tally, rendered, summarise

TRUTH = {
    "clean": ["u/clean", "u/lost", "u/later"],
    "edits": {
        "u/mirror-1": {"edit": "mirror", "benchmark": "city/001"},
        "u/mirror-2": {"edit": "mirror", "benchmark": "city/002"},
        "u/crop": {"edit": "crop", "benchmark": "sea/001"},
    },
    "duplicates": {
        "u/copy-1": {"kind": "resized", "original": "u/original-1"},
        "u/copy-2": {"kind": "resized", "original": "u/original-2"},
        "u/copy-3": {"kind": "resized", "original": "u/original-3"},
    },
    "faults": {
        "u/gone": {"fault": "410", "expected": "http_410"},
        "u/drip": {"fault": "drip", "expected": "too_slow"},
        "u/later": {"fault": "429, then success", "expected": "ok"},
        "u/absent": {"fault": "SVG", "expected": "svg"},
    },
}

#        url             decision rule             status      match_key
DECIDED = """
u/clean        keep  none           ok        -
u/lost         drop  contamination  ok        sea/009
u/later        keep  none           ok        -
u/mirror-1     drop  contamination  ok        city/001
u/mirror-2     drop  contamination  ok        city/999
u/crop         keep  none           ok        -
u/original-1   drop  duplicate      ok        u/copy-1
u/copy-1       keep  none           ok        -
u/original-2   keep  none           ok        -
u/copy-2       keep  none           ok        -
u/original-3   drop  duplicate      ok        u/else
u/copy-3       drop  duplicate      ok        u/else
u/gone         drop  status         http_410  -
u/drip         drop  status         timeout   -
"""

GROUPED = [("u/original-1", "u/copy-1", 0), ("u/original-3", "u/else", 1), ("u/copy-3", "u/else", 1)]


def _read(name: str) -> pa.Table:
    if name == "duplicates":
        keys, keepers, groups = zip(*GROUPED, strict=True)
        same: dict[str, Any] = {"shard": ["s"] * 3, "keeper_shard": ["s"] * 3, "kind": ["near"] * 3}
        numbers: dict[str, Any] = {"score": [1.0] * 3, "threshold": [0.9] * 3}
        numbers |= {"verified_by": ["thumbnails"] * 3, "dropped": [True] * 3, "policy": ["pixels"] * 3}
        rows = {"key": keys, "keeper_key": keepers, "group": groups, **same, **numbers}
        return contract(name).check(contract(name).table(rows), name)
    urls, decisions, rules, words, matches = zip(*(line.split() for line in DECIDED.split("\n")[1:-1]), strict=True)
    found = [None if match == "-" else match for match in matches]
    rows = {"shard": ["s"] * len(urls), "key": urls, "url": urls, "decision": decisions, "rule": rules}
    table = contract(name).table({**rows, "status": words, "match_key": found})
    return contract(name).check(table, name)


@pytest.fixture
def summary(tmp_path: Path) -> Summary:
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    return summarise(tmp_path, _read)


def test_only_the_right_benchmark_picture_counts_as_found(summary: Summary) -> None:
    assert summary.edits == (Tally("mirror", 2, 1), Tally("crop", 1, 0))


def test_a_pair_counts_as_found_when_both_stand_in_one_group(summary: Summary) -> None:
    assert summary.duplicates == (Tally("resized", 3, 2),)


def test_every_miss_is_named_with_what_became_of_it(summary: Summary) -> None:
    assert summary.missed == (
        Case("mirror", "u/mirror-2", "contamination (city/999)"),
        Case("crop", "u/crop", "kept"),
        Case("resized", "u/copy-2", "kept"),
    )


def test_clean_pictures_and_whole_pairs_that_were_dropped_are_named(summary: Summary) -> None:
    assert summary.wrongly_dropped == (
        Case("clean picture", "u/lost", "contamination (sea/009)"),
        Case("both of a pair", "u/original-3", "duplicate (u/else)"),
    )


def test_faults_are_held_against_what_was_expected(summary: Summary) -> None:
    assert [(fault.fault, fault.got, fault.ok) for fault in summary.faults] == [
        ("410", "http_410", True),
        ("drip", "timeout", False),
        ("429, then success", "ok", True),
        ("SVG", "no decision", False),
    ]


def test_fates_sum_up_to_the_urls(summary: Summary) -> None:
    assert summary.fates == {"kept": 6, "contamination": 3, "duplicate": 3, "http_410": 1, "timeout": 1}
    assert (summary.urls, summary.kept) == (14, 6)


def test_the_tables_show_misses_and_never_interpret_text_of_the_web(summary: Summary) -> None:
    hostile = Case("crop", "http://x/[bold]a[/bold]\x1b[31m", "kept")
    out = io.StringIO()
    Console(file=out, width=100).print(rendered(Summary(**{**vars(summary), "missed": (hostile,)})))
    shown = out.getvalue()
    assert "http://x/[bold]a[/bold]" in shown
    assert "\x1b" not in shown
    assert "1 missed" in shown
    assert "not as expected" in shown


def test_nothing_wrong_is_said_in_so_many_words(summary: Summary) -> None:
    out = io.StringIO()
    Console(file=out, width=100).print(rendered(Summary(**{**vars(summary), "wrongly_dropped": ()})))
    assert "wrongly dropped: none" in out.getvalue()
