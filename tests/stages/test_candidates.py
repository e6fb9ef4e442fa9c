"""Contamination's second half: pairs that quarters and embeddings propose, and what alignment says of them."""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.contracts import contract
from curate.errors import SourceError
from curate.stages import views
from curate.stages.contamination import CORPUS_COLUMNS, ContaminationSettings, make
from curate.stages.signatures import SignaturesSettings
from tests.pictures import Pixels, encode, sample, sign, textured

NORTH, EAST = [1.0, 0.0], [0.0, 1.0]
Vectors = dict[str, list[float]]


def benchmark(pictures: dict[str, bytes], vectors: Vectors | None = None) -> pa.Table:
    """Views of a benchmark; `vectors` gives its images made-up embeddings, by key."""
    look = views.make(SignaturesSettings(embedding="none"))
    return embedded(look("ten", "b0", [sample(k, d) for k, d in pictures.items()]), vectors or {})


def embedded(table: pa.Table, vectors: Vectors) -> pa.Table:
    """The table with these embeddings, by key; of views, in the row of the whole."""
    names = table["view"].to_pylist() if "view" in table.column_names else ["whole"] * table.num_rows
    keys = table["key"].to_pylist()
    given = [vectors.get(key) if view == "whole" else None for key, view in zip(keys, names, strict=True)]
    column = [None if vector is None else np.array(vector, np.float16) for vector in given]
    at = table.schema.get_field_index("embedding")
    return table.set_column(at, table.schema.field("embedding"), pa.array(column, table.schema.field("embedding").type))


def matches(corpus: pa.Table, seen: pa.Table, **limits: Any) -> list[dict[str, Any]]:
    match = make(ContaminationSettings(**limits), seen)
    rows: list[dict[str, Any]] = (
        contract("contamination").check(match(corpus.select(CORPUS_COLUMNS)), "here").to_pylist()
    )
    return rows


def crop(picture: Pixels, share: float) -> Pixels:
    """The upper left of a picture, `share` of its area."""
    height, width = (int(side * share**0.5) for side in picture.shape[:2])
    return picture[:height, :width]


CITY, REEF, CHART = (textured(kind, 3) for kind in ("city", "reef", "chart"))
THREE = {"city": encode(CITY), "reef": encode(REEF), "chart": encode(CHART)}


def test_a_tile_of_a_collage_is_found_by_its_quarter() -> None:
    tiles = [textured(kind, 9) for kind in ("hills", "fractal", "flowers")]
    collage = np.vstack([np.hstack([tiles[0], CITY]), np.hstack(tiles[1:])])
    (match,) = matches(sign({"k": encode(collage, "JPEG")}), benchmark(THREE))
    assert (match["benchmark_key"], match["view"], match["verified_by"]) == ("city", "ne~whole", "alignment")
    assert match["distance"] <= 56
    assert match["cosine"] is None
    assert match["score"] >= 0.8 > match["threshold"] == np.float32(ContaminationSettings().min_agreement)
    assert (match["shown"], match["covers"]) == pytest.approx((1, 0.25), abs=0.03)
    assert (match["mirrored"], match["rotation"]) == (False, pytest.approx(0, abs=1))


def test_the_shipped_detector_proposes_what_hashes_do_not() -> None:
    """Crops to half the area are beyond hashes, a turn by 15 degrees too."""
    seen = views.make(SignaturesSettings())("ten", "b0", [sample(k, d) for k, d in THREE.items()])
    turn = cv2.getRotationMatrix2D((200, 150), 15, 1)
    copies = {
        "crop": encode(crop(CITY, 0.5), "JPEG"),
        "turned": encode(np.asarray(cv2.warpAffine(REEF, turn, (400, 300)), np.uint8), "JPEG"),
        "other": encode(textured("hills", 9), "JPEG"),
    }
    assert matches(sign(copies), seen) == []
    found = matches(sign(copies, embedding="detector"), seen)
    assert [(m["key"], m["benchmark_key"], m["verified_by"]) for m in found] == [
        ("crop", "city", "alignment"),
        ("turned", "reef", "alignment"),
    ]
    assert all(m["distance"] is None and m["cosine"] >= 0.5 for m in found)
    assert found[0]["shown"] == pytest.approx(0.5, abs=0.03)
    assert found[1]["rotation"] == pytest.approx(-15, abs=1.5)


def test_a_lookalike_is_refused() -> None:
    """Two pictures that share three tenths, neither a part of the other: near by every search, and yet two."""
    mixed = CITY.copy()
    mixed[:, 120:] = textured("city", 8)[:, 120:]
    corpus = embedded(sign({"k": encode(mixed)}), {"k": NORTH})
    assert matches(corpus, benchmark(THREE, {"city": NORTH})) == []
    assert len(matches(corpus, benchmark(THREE, {"city": NORTH}), min_agreement=0)) == 1


def test_bytes_before_thumbnails_before_alignment() -> None:
    """Of `k` the benchmark has the bytes, two re-encodings and a crop: the best evidence comes first."""
    copies = {
        "rough": encode(cv2.resize(CITY, (80, 60), interpolation=cv2.INTER_AREA), "JPEG", quality=20),  # type: ignore[arg-type]
        "cut": encode(crop(CITY, 0.6), "JPEG"),
        "bytes": encode(CITY),
        "fine": encode(CITY, "JPEG", quality=90),
    }
    seen = benchmark(copies, dict.fromkeys(copies, NORTH))
    found = matches(embedded(sign({"k": encode(CITY)}), {"k": NORTH}), seen)
    assert [(m["benchmark_key"], m["verified_by"]) for m in found] == [
        ("bytes", "bytes"),
        ("fine", "thumbnails"),
        ("rough", "thumbnails"),
        ("cut", "alignment"),
    ]
    assert found[1]["distance"] < found[2]["distance"]
    assert found[3]["covers"] == pytest.approx(0.6, abs=0.03)


def test_only_the_nearest_are_aligned_and_the_first_on_a_tie() -> None:
    """`k` shows the corner of all four images; they differ in their made-up embeddings alone."""
    copies = dict.fromkeys("abcd", encode(CITY))
    near = {"a": [0.6, 0.8], "b": [0.8, 0.6], "c": NORTH, "d": [0.8, 0.6]}
    seen, corpus = benchmark(copies, near), embedded(sign({"k": encode(crop(CITY, 0.4))}), {"k": NORTH})

    def aligned(**limits: Any) -> set[str]:
        return {m["benchmark_key"] for m in matches(corpus, seen, **limits)}

    assert aligned(most_candidates=0) == set()
    assert aligned(most_candidates=1) == {"c"}
    assert aligned(most_candidates=2) == {"c", "b"}  # as near as `d`, and before it
    assert aligned(most_candidates=3) == {"c", "b", "d"}
    assert aligned() == {"a", "b", "c", "d"}
    assert aligned(min_cosine=0.7) == {"b", "c", "d"}
    assert aligned(min_cosine=1) == {"c"}  # a cosine at the limit counts
    assert [m["cosine"] for m in matches(corpus, seen, most_candidates=1)] == [1]
    # none has so many votes: only where fewer are needed, or none
    assert aligned(min_details=101) == {"c"}
    assert aligned(min_details=101, sure_cosine=0.79) == {"b", "c", "d"}
    assert aligned(min_details=101, sure_cosine=0.8002) == {"b", "c", "d"}  # half a vote


def test_each_sample_has_its_own_candidates() -> None:
    corpus = embedded(
        sign({"a": encode(crop(CITY, 0.4)), "b": encode(textured("hills", 9)), "c": encode(crop(REEF, 0.4))}),
        {"a": NORTH, "b": NORTH, "c": EAST},
    )
    seen = benchmark(THREE, {"city": NORTH, "reef": EAST})
    found = [(m["key"], m["benchmark_key"]) for m in matches(corpus, seen, most_candidates=1)]
    assert found == [("a", "city"), ("c", "reef")]
    for row in range(3):  # a part cut elsewhere gives the same rows
        alone = matches(corpus.slice(row, 1), seen, most_candidates=1)
        assert [(m["key"], m["benchmark_key"]) for m in alone] == [pair for pair in found if pair[0] == "abc"[row]]


def test_whichever_of_the_two_is_the_part() -> None:
    part, whole = encode(crop(REEF, 0.5), "JPEG"), encode(REEF, "JPEG")
    for corpus, seen, roles in ((part, whole, (0.5, 1)), (whole, part, (1, 0.5))):
        (match,) = matches(embedded(sign({"k": corpus}), {"k": NORTH}), benchmark({"b": seen}, {"b": NORTH}))
        assert (match["shown"], match["covers"]) == pytest.approx(roles, abs=0.03)


def without(table: pa.Table, column: str, value: bytes | None = None) -> pa.Table:
    """The table with all values of a column lost, or replaced where there were any."""
    old = table[column].to_pylist()
    lost = [None if v is None else value for v in old]
    at = table.schema.get_field_index(column)
    return table.set_column(at, table.schema.field(column), pa.array(lost, table.schema.field(column).type))


def test_without_a_preview_there_is_no_alignment() -> None:
    corpus, seen = embedded(sign({"k": encode(crop(CITY, 0.5))}), {"k": NORTH}), benchmark(THREE, {"city": NORTH})
    assert len(matches(corpus, seen)) == 1
    assert matches(corpus, without(seen, "preview")) == []
    assert matches(without(corpus, "preview"), seen) == []


JPEG = encode(CITY, "JPEG")


@pytest.mark.parametrize("damaged", [b"", b"<html>", JPEG[:40], JPEG[:900]], ids=["empty", "page", "header", "cut"])
def test_a_damaged_preview_fails_its_part_and_hides_no_match(damaged: bytes) -> None:
    """Previews are our own; where one is not, the dataset was tampered with, and a run names the part that fails."""
    corpus, seen = embedded(sign({"k": encode(crop(CITY, 0.5))}), {"k": NORTH}), benchmark(THREE, {"city": NORTH})
    with pytest.raises(SourceError, match="preview is damaged"):
        matches(without(corpus, "preview", damaged), seen)
    with pytest.raises(SourceError, match="preview is damaged"):
        matches(corpus, without(seen, "preview", damaged))


SLOPE = np.ascontiguousarray(np.broadcast_to(np.arange(256, dtype=np.uint8), (256, 256)))


def test_two_slopes_are_two_pictures() -> None:
    """One to the right, one to the lower right; downwards it would be the first one, turned."""
    aslant = np.asarray((SLOPE.astype(np.uint16) + SLOPE.T) // 2, np.uint8)
    corpus, seen = sign({"k": encode(SLOPE)}), benchmark({"b": encode(aslant)}, {"b": NORTH})
    assert matches(embedded(corpus, {"k": NORTH}), seen) == []


def hollow() -> dict[str, bytes]:
    """Pictures with nothing to tell them by, each unlike the others."""
    rng, page = np.random.default_rng(7), np.full((200, 300), 255, np.uint8)
    cv2.putText(page, "to be or not to be", (10, 100), cv2.FONT_HERSHEY_DUPLEX, 0.8, 0, 1, cv2.LINE_AA)
    drawn = {
        "black": np.zeros((120, 160), np.uint8),
        "white": np.full((64, 64), 255, np.uint8),
        "1 px": np.full((1, 1), 77, np.uint8),
        "1 x 10000": rng.integers(0, 256, (1, 10_000), np.uint8),
        "10000 x 1": rng.integers(0, 256, (10_000, 1), np.uint8),
        "gradient": SLOPE,
        "steeper gradient": np.asarray(SLOPE // 2 + 90, np.uint8),
        "noise": rng.integers(0, 256, (200, 300), np.uint8),
        "other noise": rng.integers(0, 256, (256, 256), np.uint8),
        "text": page,
    }
    return {name: encode(picture) for name, picture in drawn.items()}


def test_hollow_pictures_match_nothing_but_themselves() -> None:
    """Even where every pair is proposed; and none of them is a failure."""
    pictures = {**hollow(), "broken": b"\x89PNG", "empty": b""}
    everywhere = dict.fromkeys(pictures, NORTH)
    corpus, seen = sign(pictures), benchmark({**pictures, "city": encode(CITY)}, {**everywhere, "city": NORTH})
    assert corpus["status"].to_pylist() == ["ok"] * 10 + ["not_an_image", "empty"]
    found = matches(embedded(corpus, everywhere), seen, most_candidates=99)
    assert [(m["key"], m["benchmark_key"], m["kind"]) for m in found if m["key"] != m["benchmark_key"]] == []
    assert [m["key"] for m in found] == [*hollow(), "broken"]
    assert {m["kind"] for m in found} == {"byte_equal"}


@pytest.fixture(scope="module")
def pairs() -> tuple[pa.Table, pa.Table]:
    """Copies, parts and others, all proposed to all."""
    corpus = {"crop": crop(CITY, 0.5), "small": CITY[::4, ::4], "mirror": REEF[:, ::-1], "other": textured("hills", 9)}
    vectors = dict.fromkeys([*corpus, *THREE], NORTH)
    signed = embedded(sign({k: encode(np.ascontiguousarray(v)) for k, v in corpus.items()}), vectors)
    return signed, benchmark(THREE, vectors)


@settings(max_examples=6)
@given(similarity=st.floats(0, 1), agreement=st.floats(0, 1))
def test_every_score_is_at_least_its_threshold(
    pairs: tuple[pa.Table, pa.Table], similarity: float, agreement: float
) -> None:
    found = matches(*pairs, min_similarity=similarity, min_agreement=agreement)
    limits = {"bytes": 1.0, "thumbnails": np.float32(similarity), "alignment": np.float32(agreement)}
    for match in found:
        assert match["score"] >= match["threshold"] == limits[match["verified_by"]]
        assert 0 <= match["shown"] <= 1
        assert 0 <= match["covers"] <= 1
        assert -180 <= match["rotation"] <= 180


def test_without_faiss_torch_gives_the_same_rows(
    pairs: tuple[pa.Table, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a machine whose GPU searches."""
    usual = matches(*pairs, engine="faiss")
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert matches(*pairs, engine="torch") == usual != []


def test_the_same_pairs_give_the_same_rows(pairs: tuple[pa.Table, pa.Table]) -> None:
    first = matches(*pairs)
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        assert matches(*pairs) == first
    finally:
        cv2.setNumThreads(threads)
    assert {(m["key"], m["benchmark_key"]) for m in first} == {("crop", "city"), ("small", "city"), ("mirror", "reef")}
