"""Decisions: a row for every sample, the first rule that drops it, and the evidence."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.contracts import contract
from curate.ops.digest import rows_digest
from curate.stages.decisions import COLUMNS, DecisionsSettings, decide, may_stay
from tests.pictures import rows

FACTS = {"width": 200, "height": 100, "contrast": 50.0, "sharpness": 900.0, "entropy": 7.0, "one_colour": 0.25}
STRICT = DecisionsSettings(min_side=64, min_contrast=10, min_sharpness=20, min_entropy=2, max_one_colour=0.9)


def signed(key: str, **more: Any) -> dict[str, Any]:
    return {"shard": "s", "key": key, "status": "ok", "url": f"http://x/{key}", **FACTS, **more}


def matched(key: str, **more: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"shard": "s", "key": key, "benchmark": "ten", "benchmark_shard": "b0"}
    facts["benchmark_key"] = "t1"
    facts |= {"kind": "near", "view": "whole~whole+mirror", "distance": 12, "verified_by": "thumbnails"}
    said = {"score": 0.75, "threshold": 0.5, "mirrored": True, "rotation": 0.0, "shown": 1.0, "covers": 1.0}
    return {**facts, **said, **more}


def copied(key: str, **more: Any) -> dict[str, Any]:
    facts = {"shard": "s", "key": key, "kind": "near", "verified_by": "thumbnails", "score": 0.75, "threshold": 0.5}
    return {**facts, "keeper_shard": "t", "keeper_key": "k", **more}


def decided(
    samples: list[dict[str, Any]],
    matches: list[dict[str, Any]] | None = None,
    copies: list[dict[str, Any]] | None = None,
    limits: DecisionsSettings = STRICT,
) -> list[dict[str, Any]]:
    tables = rows("signatures", *samples), rows("contamination", *(matches or [])), rows("duplicates", *(copies or []))
    made: pa.Table = contract("decisions").check(decide(limits, tables[0].select(COLUMNS), *tables[1:]), "here")
    stays = may_stay(limits, tables[0], tables[1]).tolist()
    rules: list[dict[str, Any]] = made.to_pylist()
    assert stays == [row["rule"] in ("none", "duplicate") for row in rules]  # what a keeper is chosen from
    return rules


def evidence(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if v is not None and k not in ("shard", "key", "url", "status")}


def test_a_good_sample_is_kept() -> None:
    (row,) = decided([signed("a")])
    assert evidence(row) == {"decision": "keep", "rule": "none"}
    assert (row["shard"], row["key"], row["url"], row["status"]) == ("s", "a", "http://x/a", "ok")


def test_the_first_rule_that_applies_is_named_with_its_evidence() -> None:
    bad = signed("a", status="http_404", message="gone", entropy=0.0)
    (row,) = decided([bad], [matched("a")], [copied("a")])
    assert evidence(row) == {"decision": "drop", "rule": "status", "detail": "gone"}
    (row,) = decided([signed("a", entropy=0.5)], [matched("a")], [copied("a")])
    assert evidence(row) == {"decision": "drop", "rule": "quality", "detail": "entropy", "score": 0.5, "threshold": 2}
    (row,) = decided([signed("a")], [matched("a")], [copied("a")])
    assert evidence(row) == {"decision": "drop", "rule": "contamination", "detail": "near whole~whole+mirror, mirrored",
                             "score": 0.75, "threshold": 0.5, "benchmark": "ten", "match_shard": "b0",
                             "match_key": "t1"}  # fmt: skip
    (row,) = decided([signed("a")], [matched("other")], [copied("a")])
    assert evidence(row) == {"decision": "drop", "rule": "duplicate", "detail": "near, by thumbnails", "score": 0.75,
                             "threshold": 0.5, "match_shard": "t", "match_key": "k"}  # fmt: skip


def test_the_first_match_of_a_sample_is_its_nearest() -> None:
    (row,) = decided(
        [signed("a")], [matched("a", benchmark_key="near"), matched("a", benchmark_key="far", distance=50)]
    )
    assert row["match_key"] == "near"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"kind": "byte_equal", "view": "whole~whole", "mirrored": False}, "byte_equal whole~whole"),
        ({"rotation": -90.0}, "near whole~whole+mirror, mirrored, turned by -90 degrees"),
        ({"mirrored": False, "shown": 0.5}, "near whole~whole+mirror, cut to 50% of its area"),
        ({"mirrored": False, "covers": 0.25}, "near whole~whole+mirror, filling 25% of the sample"),
        ({"mirrored": False, "rotation": 1.9, "shown": 0.98, "covers": 0.97}, "near whole~whole+mirror"),
    ],
)
def test_a_match_says_how_the_image_was_changed(how: dict[str, Any], said: str) -> None:
    (row,) = decided([signed("a")], [matched("a", **how)])
    assert row["detail"] == said


@pytest.mark.parametrize(
    ("broken", "what", "value", "limit"),
    [
        ({"width": 63}, "shorter side", 63, 64),
        ({"height": 63}, "shorter side", 63, 64),
        ({"contrast": 9.5}, "contrast", 9.5, 10),
        ({"sharpness": 19.5}, "sharpness", 19.5, 20),
        ({"entropy": 1.5}, "entropy", 1.5, 2),
        ({"one_colour": 0.9375}, "one_colour", 0.9375, 0.9),
        ({"contrast": 1.0, "one_colour": 1.0}, "contrast", 1, 10),
    ],
)
def test_each_quality_limit(broken: dict[str, Any], what: str, value: float, limit: float) -> None:
    (row,) = decided([signed("a", **broken)])
    assert (row["rule"], row["detail"], row["score"], row["threshold"]) == ("quality", what, value, limit)
    assert decided([signed("a", **broken)], limits=DecisionsSettings())[0]["decision"] == "keep"


def test_limits_count_to_their_edge() -> None:
    edge = {"height": 64, "contrast": 10.0, "sharpness": 20.0, "entropy": 2.0, "one_colour": 0.875}
    assert decided([signed("a", **edge)])[0]["decision"] == "keep"


@pytest.mark.parametrize("fact", [None, float("nan")])
def test_a_fact_that_is_not_known_breaks_no_limit(fact: float | None) -> None:
    facts = dict.fromkeys(("contrast", "sharpness", "entropy", "one_colour"), fact)
    assert decided([signed("a", **facts, width=None)])[0]["decision"] == "keep"


def test_no_sample_and_no_good_sample() -> None:
    assert decided([]) == []
    lost = [signed(key, status="truncated", **dict.fromkeys(FACTS)) for key in "ab"]
    assert [row["rule"] for row in decided(lost)] == ["status", "status"]


@given(st.lists(st.sampled_from(["ok", "http_404", "truncated"]), max_size=8), st.data())
def test_promise_one(statuses: list[str], data: st.DataObject) -> None:
    """One row for every sample, in order, and keep exactly where nothing speaks against it."""
    keys = [f"k{i}" for i in range(len(statuses))]
    some = st.lists(st.sampled_from([*keys, "elsewhere"]), unique=True)
    matches, copies = data.draw(some), data.draw(some)
    made = decided(
        [signed(k, status=s) for k, s in zip(keys, statuses, strict=True)],
        [matched(k) for k in matches],
        [copied(k) for k in copies],
    )
    assert [row["key"] for row in made] == keys
    kept = [k for k, s in zip(keys, statuses, strict=True) if s == "ok" and k not in matches and k not in copies]
    assert [row["key"] for row in made if row["decision"] == "keep"] == kept


def test_golden_digest() -> None:
    tables = (
        rows(
            "signatures",
            signed("a"),
            signed("b", status="dns", message="no host"),
            signed("c", height=9),
            signed("d"),
            signed("e"),
        ),
        rows("contamination", matched("d")),
        rows("duplicates", copied("e")),
    )
    assert rows_digest(decide(STRICT, *tables)) == "d68877d92bf49aaa97f677ffa81b6b3added3ee71463756514d7e13350da4803"
