"""Duplicates: every dropped sample has a kept one within the threshold, whatever the order of the rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from curate.contracts import contract
from curate.ops.digest import rows_digest
from curate.stages.duplicates import COLUMNS, DuplicatesSettings, find
from tests.pictures import draw, encode, image, png, rows, sign, textured

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


def test_mirrored_and_turned_copies_of_real_pictures() -> None:
    """Re-encoded too; with no descriptor, so that their hashes alone propose them."""
    upright = {kind: textured(kind) for kind in ("city", "reef", "chart")}
    copies: dict[str, Callable[[Any], Any]] = {
        "1": np.fliplr,
        "2": np.flipud,
        "3": np.rot90,
        "4": lambda p: np.rot90(np.fliplr(p), -1),
    }
    given_ = {kind: encode(picture) for kind, picture in upright.items()}
    given_ |= {
        f"{kind}-{number}": encode(np.ascontiguousarray(turn(picture)), "JPEG", quality=70)
        for kind, picture in upright.items()
        for number, turn in copies.items()
    }
    told = sign(given_).select(COLUMNS)
    made = find(DuplicatesSettings(), told).to_pylist()
    assert {row["key"]: row["keeper_key"] for row in made} == {k: k[:-2] for k in given_ if "-" in k}
    assert {row["verified_by"] for row in made} == {"alignment"}
    assert max(row["distance"] for row in made) <= 23
    assert find(DuplicatesSettings(turned=False), told).num_rows == 0


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
    assert rows_digest(made) == "4f40119d4cdfd67ad6265db33db3af1c321c59449d69d359c589997b061de96e"


def previewed(key: str, size: int, lines: tuple[str, ...], **more: Any) -> dict[str, Any]:
    """A candidate that shows a drawing with words on it."""
    picture = Image.fromarray(textured("city"))
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        pen.text((20, 8 + 240 * number), line, "white", ImageFont.load_default(36), stroke_width=3, stroke_fill="black")
    (signed,) = sign({key: encode(picture, "JPEG", quality=80)}).select(["thumbnail", "preview", "sha256"]).to_pylist()
    return candidate(key, 0, size, **signed, **more)


def test_pictures_with_other_words_on_them_are_told_and_kept_or_dropped() -> None:
    one, other = ("I LOVE MONDAYS", "coffee"), ("NEVER ON MONDAYS", "no tea")
    memes = [previewed("a", 9, one), previewed("b", 8, other), previewed("c", 7, other), previewed("d", 6, one)]
    limits = DuplicatesSettings(min_similarity=0.5)
    told = find(limits, table(*memes)).select(["key", "kind", "dropped", "keeper_key"]).to_pylist()
    assert [tuple(row.values()) for row in told] == [
        ("b", "overlaid", False, "a"),
        ("c", "byte_equal", True, "b"),
        ("d", "byte_equal", True, "a"),
    ]
    dropping = limits.model_copy(update={"overlaid": "drop"})
    made = find(dropping, table(*memes))
    assert made["keeper_key"].to_pylist() == ["a"] * 3
    assert made["kind"].to_pylist() == ["overlaid", "overlaid", "byte_equal"]
    assert made["dropped"].to_pylist() == [True] * 3


def test_of_several_keepers_one_with_the_same_words_goes_before() -> None:
    """The nearest hash is the keeper's with other words."""
    one, other = ("I LOVE MONDAYS",), ("NEVER ON MONDAYS",)
    kept = [previewed("a", 9, one), previewed("b", 8, other) | {"hash256_whole": (3).to_bytes(32)}]
    again = previewed("c", 7, other) | {"sha256": b"c".ljust(32)}
    made = find(DuplicatesSettings(min_similarity=0.5), table(*kept, again))
    assert made.select(["key", "kind", "dropped", "keeper_key"]).to_pylist()[1] == {
        "key": "c",
        "kind": "near",
        "dropped": True,
        "keeper_key": "b",
    }


def test_without_near_only_equal_bytes_count() -> None:
    same: dict[str, Any] = {"sha256": b"same".ljust(32)}
    a, b, c = candidate("a", 0, **same), candidate("b", 0, **same), candidate("c", 0)
    assert found(PLAIN, a, b, c) == {"b": "a", "c": "a"}
    assert found(PLAIN.model_copy(update={"near": False}), a, b, c) == {"b": "a"}


def vector(*values: float) -> list[np.float16]:
    return [np.float16(value) for value in values]


def test_a_near_descriptor_is_a_candidate_and_thumbnails_decide() -> None:
    """Hashes 256 bits apart; the cosines of the three are .8, .6 and .96."""
    a = candidate("a", 0, embedding=vector(1, 0), size=300)
    b = candidate("b", 2**256 - 1, embedding=vector(0.8, 0.6), size=200)
    c = candidate("c", 1, embedding=vector(0.6, 0.8))
    limits = DuplicatesSettings(radius=0, min_cosine=0.75, turned=False)
    assert found(limits, a, b, c) == {"b": "a"}
    (row,) = find(limits, table(a, b, c)).to_pylist()
    assert (row["kind"], row["verified_by"], row["distance"], round(row["cosine"], 3)) == (
        "near",
        "thumbnails",
        256,
        0.8,
    )
    assert found(limits, {**a, "width": 1}, b, c) == {"c": "b", "a": "b"}
    assert found(limits, a, {**b, "thumbnail": OTHER}) == {}
    assert found(limits.model_copy(update={"min_cosine": 0.81}), a, b) == {}


def test_meaning_alone_drops_only_where_asked_and_says_so() -> None:
    a = candidate("a", 0, embedding=vector(1, 0), size=300)
    b = candidate("b", 7 << 90, embedding=vector(0.8, 0.6), thumbnail=OTHER, size=200)
    c = candidate("c", 7 << 99, embedding=vector(0.96, 0.28), thumbnail=draw(3, 32, 32)[..., 0].tobytes())
    assert found(PLAIN, a, b, c) == {}
    alike = PLAIN.model_copy(update={"semantic": 0.9})
    assert found(alike, a, b, c) == {"c": "a"}
    (row,) = find(alike, table(a, b, c)).to_pylist()
    assert (row["kind"], row["verified_by"], row["threshold"]) == ("semantic", "embedding", pytest.approx(0.9))
    assert row["score"] == row["cosine"] == pytest.approx(0.96, abs=1e-3)
    assert found(alike, a, {**b, "embedding": vector(0.95, 0.31)}, c) == {"b": "a", "c": "a"}


@pytest.mark.parametrize(
    ("prefer", "stays"),
    [(("pixels",), "b"), (("format", "pixels"), "c"), (("caption",), "d"), (("sharpness",), "a"), ((), "a")],
)
def test_who_stays_is_a_setting(prefer: tuple[str, ...], stays: str) -> None:
    told = {
        "a": {"format": "GIF", "sharpness": 9.0},
        "b": {"format": "JPEG", "size": 300, "sharpness": 1.0},
        "c": {"format": "PNG"},
        "d": {"format": "JPEG", "caption": "a long one"},
    }
    limits = DuplicatesSettings(prefer=prefer)  # type: ignore[arg-type]
    dropped = found(limits, *(candidate(key, 0, **facts) for key, facts in told.items()))  # type: ignore[arg-type]
    assert dropped == dict.fromkeys(set(told) - {stays}, stays)


def test_captions_apart_are_not_dropped() -> None:
    same: dict[str, Any] = {"sha256": bytes(32)}
    texts = {"a": "A cat", "b": " a\u00a0CAT ", "c": "a dog", "d": None, "e": "", "f": "a dog"}
    apart = PLAIN.model_copy(update={"captions": "separate"})
    assert found(PLAIN, *(candidate(k, 0, caption=t, **same) for k, t in texts.items())).keys() == set("acdef")
    assert found(apart, *(candidate(k, 0, caption=t, **same) for k, t in texts.items())) == {
        "a": "b",
        "e": "d",
        "f": "c",
    }
    assert found(apart, *(candidate(k, 0, caption=t) for k, t in texts.items())) == {"a": "b", "e": "d", "f": "c"}


def test_captions_to_be_merged_are_told() -> None:
    told = table(candidate("a", 0, caption="long one"), candidate("b", 0, caption="x"))
    assert find(PLAIN, told)["caption"].to_pylist() == [None]
    assert find(PLAIN.model_copy(update={"captions": "merge"}), told)["caption"].to_pylist() == ["x"]


@settings(max_examples=60)
@given(corpora(), st.data())
def test_more_that_arrives_is_decided_as_if_the_earlier_had_been_ranked_first(
    corpus: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Earlier and later samples at once, the earlier with more pixels than any later: the same are dropped.

    For the same keepers too, in whatever order the earlier ones stand in their parts.
    """
    split = data.draw(st.integers(0, len(corpus)))
    first, later = (
        [{**row, "shard": name} for row in rows_] for name, rows_ in (("1", corpus[:split]), ("2", corpus[split:]))
    )
    alone = find(PLAIN, table(*first))
    dropped = set(zip(alone["shard"].to_pylist(), alone["key"].to_pylist(), strict=True))
    stays = table(*data.draw(st.permutations([row for row in first if (row["shard"], row["key"]) not in dropped])))
    kept = stays.append_column("run", pa.array(["old"] * len(stays), pa.string()))
    made = find(PLAIN, table(*later), kept)
    at_once = find(PLAIN, table(*({**row, "width": row["width"] + 1000} for row in first), *later))
    assert set(made["keeper_run"].to_pylist()) <= {"old", None}
    assert all((row["keeper_run"] == "old") == (row["keeper_shard"] == "1") for row in made.to_pylist())
    named = ["shard", "key", "kind", "score", "keeper_key"]
    want = [row for row in at_once.select(named).to_pylist() if row["shard"] == "2"]
    assert made.select(named).to_pylist() == want


def test_of_earlier_samples_equally_near_the_better_counts_not_the_first() -> None:
    """Both 2 bits from what comes later, 4 from each other."""
    old = [candidate("a", 0, size=100), candidate("b", 0b1111, size=200)]
    for told in (old, old[::-1]):
        kept = table(*told).append_column("run", pa.array(["old"] * 2, pa.string()))
        assert find(PLAIN, table(candidate("c", 0b11)), kept)["keeper_key"].to_pylist() == ["b"]


def crowd(count: int, **more: Any) -> pa.Table:
    """So many rows, alike but for their keys and `more` columns, (count, W) uint8 each."""
    first = table(candidate("0", 0, sha256=bytes(32)))
    columns = {name: first[name].take(pa.array(np.zeros(count, np.int64))) for name in COLUMNS}
    columns["key"] = pa.array([f"{number:06}" for number in range(count)])
    for name, values in more.items():
        columns[name] = pa.array(list(map(bytes, values)), pa.binary(values.shape[1]))
    return pa.table(columns).cast(first.schema)


def digests(count: int) -> Any:
    return np.arange(4 * count, dtype=np.uint64).reshape(count, 4).view(np.uint8)


def test_a_hundred_thousand_copies_of_one_picture_fall_to_one() -> None:
    """Byte for byte, re-encoded, and blank."""
    count = 100_000
    rng = np.random.default_rng(0)
    bits = np.packbits(rng.random((count, 256)) < 0.02, axis=1)
    light = (np.frombuffer(THUMBNAIL, np.uint8) // 2 + rng.integers(0, 4, (count, 1024), np.uint8)).astype(np.uint8)
    reencoded = crowd(count, sha256=digests(count), hash256_whole=bits, thumbnail=light)
    for copies in (crowd(count), reencoded):
        made = find(DuplicatesSettings(), copies)
        assert made.num_rows == count - 1
        assert set(made["keeper_key"].to_pylist()) == {"000000"}


def test_unlike_pictures_of_one_hash_all_stay() -> None:
    """However many: a picture is held against some of them only."""
    count = 3000
    noise = np.random.default_rng(0).integers(0, 256, (count, 1024), np.uint8)
    assert find(DuplicatesSettings(), crowd(count, sha256=digests(count), thumbnail=noise)).num_rows == 0


def test_a_cut_copy_is_found_by_its_descriptor_and_aligned() -> None:
    whole = {f"k{i}": textured(kind) for i, kind in enumerate(("table", "city", "flowers"))}
    cut = whole["k1"][20:-20, 30:-30]
    signed = sign({k: encode(v) for k, v in {**whole, "z": cut}.items()}, embedding="detector")
    (row,) = find(DuplicatesSettings(), signed.select(COLUMNS)).to_pylist()
    assert (row["key"], row["keeper_key"], row["kind"], row["verified_by"]) == ("z", "k1", "near", "alignment")
    assert row["score"] >= row["threshold"]
    assert find(DuplicatesSettings(most_candidates=0), signed.select(COLUMNS)).num_rows == 0


def test_lookalikes_do_not_stand_before_a_mirrored_copy() -> None:
    """Only its hash shows it; four other pictures have descriptors that are nearer to its own."""
    kinds = ("table", "city", "flowers", "reef", "hills")
    pictures = {f"k{i}": textured(kind) for i, kind in enumerate(kinds)} | {"z": textured("table")[:, ::-1]}
    signed = sign({key: encode(picture) for key, picture in pictures.items()}, embedding="detector")
    alike = [vector(1, 0), *[vector(0.2, 0.98)] * 5]
    signed = signed.set_column(signed.column_names.index("embedding"), "embedding", [alike])
    (row,) = find(DuplicatesSettings(), signed.select(COLUMNS)).to_pylist()
    assert (row["key"], row["keeper_key"], row["verified_by"]) == ("z", "k0", "alignment")
