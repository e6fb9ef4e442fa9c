"""Duplicates: every dropped sample has a kept one within the threshold, whatever the order of the rows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.contracts import contract
from curate.ops.digest import rows_digest
from curate.stages.duplicates import COLUMNS, DuplicatesSettings, find
from tests.pictures import draw, encode, image, png, rows, sign

PLAIN = DuplicatesSettings(radius=2, min_similarity=0.9)
THUMBNAIL = draw(1, 32, 32)[..., 0].tobytes()
OTHER = draw(2, 32, 32)[..., 0].tobytes()


def candidate(key: str, bits: int | None, size: int = 100, **more: Any) -> dict[str, Any]:
    """A row of signatures: its hash is the number `bits`, its bytes its own, its thumbnail the same as all others'."""
    facts = {"shard": "s", "key": key, "status": "ok", "width": size, "height": 10, "thumbnail": THUMBNAIL}
    known = {"sha256": key.encode().ljust(32), "hash256_whole": None if bits is None else bits.to_bytes(32)}
    return {**facts, **known, **more}


def table(*candidates: dict[str, Any]) -> pa.Table:
    return rows("signatures", *candidates).select(COLUMNS)


def found(limits: DuplicatesSettings, *candidates: dict[str, Any]) -> dict[str, str]:
    """Dropped key -> keeper's key."""
    made = contract("duplicates").check(find(limits, table(*candidates)), "here")
    return dict(zip(made["key"].to_pylist(), made["keeper_key"].to_pylist(), strict=True))


def test_copies_fall_to_the_picture_with_most_pixels_then_the_longer_caption_then_the_smaller_key() -> None:
    assert found(PLAIN, candidate("a", 0), candidate("b", 1, size=200), candidate("c", 3)) == {"a": "b", "c": "b"}
    assert found(PLAIN, candidate("a", 0), candidate("b", 0, caption="x"), candidate("c", 0, caption="yy")) == {
        "a": "c",
        "b": "c",
    }
    assert found(PLAIN, candidate("b", 0), candidate("a", 0), candidate("c", 0)) == {"b": "a", "c": "a"}
    assert found(PLAIN, candidate("a", 0, shard="t"), candidate("b", 0)) == {"a": "b"}


def test_a_chain_is_cut_not_followed() -> None:
    """a-b and b-c are 2 bits apart, a-c 4."""
    a, b, c = candidate("a", 0), candidate("b", 0b11), candidate("c", 0b1111)
    assert found(PLAIN, a, b, c) == {"b": "a"}
    assert found(PLAIN, {**a, "width": 1}, b, {**c, "width": 1}) == {"a": "b", "c": "b"}
    assert found(PLAIN, {**a, "width": 1}, {**b, "width": 2}, c) == {"b": "c"}


def test_of_several_keepers_the_nearest_counts() -> None:
    a, b = candidate("a", 0, size=300), candidate("b", 0b111, size=200)
    assert found(PLAIN, a, b, candidate("c", 0b11)) == {"c": "b"}
    assert found(PLAIN, a, b, candidate("c", 0b1)) == {"c": "a"}


def test_radius_and_similarity_count_to_their_edge() -> None:
    a, b = candidate("a", 0), candidate("b", 0b111)
    assert found(DuplicatesSettings(radius=3), a, b) == {"b": "a"}
    assert found(DuplicatesSettings(radius=2), a, b) == {}
    assert found(DuplicatesSettings(radius=3), a, {**b, "thumbnail": OTHER}) == {}
    assert found(DuplicatesSettings(radius=3, min_similarity=-1), a, {**b, "thumbnail": OTHER}) == {"b": "a"}


def test_equal_bytes_are_duplicates_even_when_blank() -> None:
    same: dict[str, Any] = {"sha256": bytes(32), "thumbnail": bytes(1024)}
    blanks = [candidate(key, None, **same) for key in "abc"]
    assert found(PLAIN, *blanks, candidate("d", None, thumbnail=bytes(1024))) == {"b": "a", "c": "a"}
    (row,) = find(PLAIN, table(*blanks[:2])).to_pylist()
    assert (row["kind"], row["verified_by"], row["distance"], row["score"]) == ("byte_equal", "bytes", 0, 1)


def test_equal_bytes_only_when_near_is_off() -> None:
    a, b, c = candidate("a", 0), candidate("b", 0), candidate("c", 0, sha256=b"a".ljust(32))
    assert found(PLAIN, a, b, c) == {"b": "a", "c": "a"}
    assert found(DuplicatesSettings(near=False), a, b, c) == {"c": "a"}


def test_blank_pictures_are_not_alike() -> None:
    assert found(PLAIN, *(candidate(key, None) for key in "abcdef")) == {}


def test_a_group_is_all_that_is_dropped_for_one_keeper() -> None:
    hashed = {"a": 0, "b": 7 << 99, "c": 1, "d": 7 << 99, "e": 7 << 200, "f": 2}
    made = find(PLAIN, table(*(candidate(key, bits) for key, bits in hashed.items())))
    of_c, of_d, of_f = made["group"].to_pylist()
    assert made["keeper_key"].to_pylist() == ["a", "b", "a"]
    assert of_c == of_f != of_d
    alone = find(PLAIN, table(candidate("a", 0), candidate("c", 1)))
    assert alone["group"].to_pylist() == [of_c]


def test_nothing_to_compare() -> None:
    assert found(PLAIN) == {}
    assert found(PLAIN, candidate("a", 0)) == {}


@st.composite
def corpora(draw_: st.DrawFn) -> list[dict[str, Any]]:
    keys = draw_(st.lists(st.sampled_from("abcdefghijkl"), unique=True, max_size=12))
    made = []
    for key in keys:
        bits = draw_(st.none() | st.integers(0, 63))
        more = {
            "caption": draw_(st.sampled_from([None, "x", "yy"])),
            "thumbnail": draw_(st.sampled_from([THUMBNAIL, OTHER])),
        }
        if draw_(st.booleans()):
            more["sha256"] = bytes([0 if bits is None else bits + 1]) * 32  # same bytes, so same hash
            more["thumbnail"] = THUMBNAIL
        made.append(candidate(key, bits, draw_(st.sampled_from([1, 2])), shard=draw_(st.sampled_from("st")), **more))
    return made


@settings(max_examples=60)
@given(corpora(), st.data())
def test_promise_two(corpus: list[dict[str, Any]], data: st.DataObject) -> None:
    """Each dropped sample names a kept one within the threshold; the kept are no duplicates; order means nothing."""
    made = find(PLAIN, table(*corpus))
    by_name = {(row["shard"], row["key"]): row for row in corpus}
    dropped = {(row["shard"], row["key"]) for row in made.to_pylist()}
    for row in made.to_pylist():
        keeper = (row["keeper_shard"], row["keeper_key"])
        assert keeper not in dropped
        one, other = by_name[row["shard"], row["key"]], by_name[keeper]
        if row["kind"] == "byte_equal":
            assert one["sha256"] == other["sha256"]
        else:
            a, b = (int.from_bytes(r["hash256_whole"]) for r in (one, other))
            assert (a ^ b).bit_count() == row["distance"] <= 2
            assert one["thumbnail"] == other["thumbnail"]
    kept = [row for name, row in by_name.items() if name not in dropped]
    assert find(PLAIN, table(*kept)).num_rows == 0
    shuffled = data.draw(st.permutations(corpus))
    assert find(PLAIN, table(*shuffled)).equals(made)


def test_real_pictures() -> None:
    pictures = {f"k{i:02d}": png(i, 160, 120) for i in range(20)}
    copies = {"z0": encode(image(0, 160, 120), "JPEG", quality=50), "z1": encode(image(1, 160, 120).resize((80, 60))),
              "z2=longer caption": png(2, 160, 120), "z3": encode(image(3, 160, 120).resize((320, 240)))}  # fmt: skip
    made = find(DuplicatesSettings(radius=40), sign({**pictures, **copies}).select(COLUMNS))
    assert [(r["key"], r["keeper_key"], r["kind"]) for r in made.to_pylist()] == [
        ("k02", "z2", "byte_equal"), ("k03", "z3", "near"), ("z0", "k00", "near"), ("z1", "k01", "near"),
    ]  # fmt: skip


@pytest.mark.parametrize("bits", [0, None], ids=["one hash", "blank"])
def test_twenty_thousand_copies_take_seconds(bits: int | None) -> None:
    same: dict[str, Any] = {"sha256": bytes(32)}
    copies = table(*(candidate(f"{i:05d}", bits, **same) for i in range(20_000)))
    began = time.process_time()
    made = find(PLAIN, copies)
    assert time.process_time() - began < 5
    assert made.num_rows == 19_999
    assert set(made["keeper_key"].to_pylist()) == {"00000"}


def test_golden_digest() -> None:
    hashed = np.random.default_rng(0).integers(0, 2, 40).cumsum() % 7
    made = find(
        PLAIN, table(*(candidate(f"k{i:02d}", int(bits) << 5, size=100 + i % 3) for i, bits in enumerate(hashed)))
    )
    assert rows_digest(made) == "60b80e7fc4f51d0aec1c299935c8a5ff2f5e9ddabf362cc5df731dffe3a9a778"


def test_without_near_only_equal_bytes_count() -> None:
    same: dict[str, Any] = {"sha256": b"same".ljust(32)}
    a, b, c = candidate("a", 0, **same), candidate("b", 0, **same), candidate("c", 0)
    assert found(PLAIN, a, b, c) == {"b": "a", "c": "a"}
    assert found(PLAIN.model_copy(update={"near": False}), a, b, c) == {"b": "a"}
