"""Contamination: edits of benchmark images are found, with the right image and view; other pictures are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageOps

from curate.contracts import contract
from curate.demo.photos import cuts
from curate.ops.digest import rows_digest
from curate.stages import views
from curate.stages.contamination import CORPUS_COLUMNS, ContaminationSettings, make, transforms
from curate.stages.signatures import SignaturesSettings
from tests.pictures import Pixels, draw, encode, image, png, sample, sign

FLIP, TURN = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_90
BLANK = encode(np.full((50, 70, 3), 255, np.uint8))


def benchmark(name: str, pictures: dict[str, bytes]) -> pa.Table:
    return views.make(SignaturesSettings(embedding="none"))(name, "b0", [sample(k, d) for k, d in pictures.items()])


def matches(corpus: dict[str, bytes], *benchmarks: pa.Table, **settings: Any) -> list[dict[str, Any]]:
    seen = pa.concat_tables([contract("views").empty(), *benchmarks])
    match = make(ContaminationSettings(**settings), seen)
    found = contract("contamination").check(match(sign(corpus).select(CORPUS_COLUMNS)), "here")
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


TEN = benchmark("ten", {f"t{i}": png(100 + i, 200, 150) for i in range(10)})

EDITS: dict[str, tuple[Callable[[Image.Image], Image.Image], str, dict[str, Any], str]] = {
    "jpeg q10": (lambda p: p, "JPEG", {"quality": 10}, "whole~whole"),
    "grey": (ImageOps.grayscale, "PNG", {}, "whole~whole"),
    "half size": (lambda p: p.resize((100, 75)), "PNG", {}, "whole~whole"),
    "32 px": (lambda p: p.resize((32, 24)), "PNG", {}, "whole~whole"),
    "squeezed": (lambda p: p.resize((120, 120)), "PNG", {}, "whole~whole"),
    "brighter": (lambda p: p.point(lambda v: min(255, int(v * 0.8 + 50))), "PNG", {}, "whole~whole"),
    "mirrored": (lambda p: p.transpose(FLIP), "PNG", {}, "whole~whole+mirror"),
    "turned": (lambda p: p.transpose(TURN), "PNG", {}, "whole~whole+rot90"),
    "upside down": (lambda p: p.rotate(180), "PNG", {}, "whole~whole+rot180"),
    "centre square": (lambda p: p.crop((25, 0, 175, 150)), "PNG", {}, "whole~square"),
    "square, mirrored": (lambda p: p.crop((25, 0, 175, 150)).transpose(FLIP), "PNG", {}, "whole~square+mirror"),
    "square of 32 px": (lambda p: p.crop((25, 0, 175, 150)).resize((32, 32)), "PNG", {}, "whole~square"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_found_with_its_image_and_view(edit: str) -> None:
    apply, form, options, view = EDITS[edit]
    found = matches({f"k{i}": encode(apply(image(100 + i, 200, 150)), form, **options) for i in range(3)}, TEN)
    assert [(m["key"], m["benchmark"], m["benchmark_key"]) for m in found] == [
        (f"k{i}", "ten", f"t{i}") for i in range(3)
    ]
    for match in found:
        assert match["kind"] == "near"
        assert match["verified_by"] == "thumbnails"
        assert match["distance"] <= 56
        assert match["score"] >= match["threshold"] == np.float32(ContaminationSettings().min_similarity)
        assert match["view"] == view


def test_the_corpus_wider_than_the_benchmark_is_found_by_its_centre_square() -> None:
    squares = benchmark("squares", {"s": encode(draw(7, 200, 150)[:, 25:175])})
    (match,) = matches({"wide": png(7, 200, 150)}, squares)
    assert (match["benchmark_key"], match["view"]) == ("s", "square~whole")


def trimmed(picture: Image.Image, across: float, down: float) -> Image.Image:
    """The centre of a picture, shares of its sides."""
    width, height = round(picture.width * across), round(picture.height * down)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def between_bars(picture: Image.Image, width: int, height: int) -> Image.Image:
    return ImageOps.pad(picture, (width, height), color=(40, 40, 40))


HOW: dict[str, tuple[Callable[[Image.Image], Image.Image], str, tuple[float, float]]] = {
    "squeezed": (lambda p: p.resize((300, 360)), "", (1, 1)),
    "squeezed to a square": (lambda p: p.resize((300, 300)), "", (1, 1)),
    "less above and below": (lambda p: trimmed(p, 1, 0.9), "cut", (0.9, 1)),
    "less, and turned": (lambda p: trimmed(p, 1, 0.9).transpose(TURN), "turned, cut", (0.9, 1)),
    "bars above and below": (lambda p: between_bars(p, 300, 500), "framed", (1, 0.8)),
    "its centre square": (lambda p: trimmed(p, 1, 0.75), "cut", (0.75, 1)),
    "its centre": (lambda p: trimmed(p, 0.85, 0.85), "cut", (0.7225, 1)),
    "its centre square, between bars": (
        lambda p: between_bars(trimmed(p, 1, 0.75), 300, 500),
        "cut, framed",
        (0.75, 0.6),
    ),
}


@pytest.mark.parametrize("edit", HOW)
def test_how_a_photograph_was_changed_is_told_by_the_whole_of_both(edit: str) -> None:
    """Also where the centre squares of pictures of two shapes met: these are not what was done."""
    (photo,) = [p.image for p in cuts("benchmark") if "espresso" in p.caption and p.image.size == (300, 400)][:1]
    apply, words, shares = HOW[edit]
    data = encode(apply(photo.convert("RGB")), "JPEG", quality=80)
    (match,) = matches({"k": data}, benchmark("photo", {"cup": encode(photo.convert("RGB"))}))
    assert match["verified_by"] == "thumbnails"
    assert ", ".join(transforms(match)) == words
    assert (match["shown"], match["covers"]) == pytest.approx(shares, abs=0.05)


def test_byte_equal_copies_are_said_to_be() -> None:
    (match,) = matches({"k": png(100, 200, 150), "other": png(5)}, TEN)
    assert match == {
        "shard": "00000", "key": "k", "benchmark": "ten", "benchmark_shard": "b0", "benchmark_key": "t0",
        "kind": "byte_equal", "view": "whole~whole", "distance": 0, "cosine": None, "verified_by": "bytes",
        "score": 1.0, "threshold": 1.0, "mirrored": False, "rotation": 0.0, "shown": 1.0, "covers": 1.0,
    }  # fmt: skip


def test_other_pictures_are_not_found() -> None:
    assert matches({f"k{i}": png(i, 200, 150) for i in range(60)}, TEN) == []


def test_blank_pictures_match_nothing_but_their_own_bytes() -> None:
    blanks = benchmark("blanks", {"white": BLANK})
    other = encode(np.full((64, 64, 3), 255, np.uint8))
    found = matches({"same": BLANK, "other": other, "picture": png(1)}, blanks, radius=128, min_similarity=-1)
    assert [(m["key"], m["kind"]) for m in found] == [("same", "byte_equal")]


def test_the_best_match_comes_first_and_each_pair_once() -> None:
    """`k` is `b` re-encoded, and `a` is a rougher copy of the same picture."""
    picture = image(3, 200, 150)
    two = benchmark("two", {"a": encode(picture.resize((40, 30)), "JPEG", quality=30), "b": encode(picture)})
    k = encode(picture, "JPEG", quality=90)
    found = matches({"k": k, "b": encode(picture)}, two)
    assert [(m["key"], m["benchmark_key"]) for m in found] == [("k", "b"), ("k", "a"), ("b", "b"), ("b", "a")]
    assert [m["kind"] for m in found] == ["near", "near", "byte_equal", "near"]
    assert found[0]["distance"] < found[1]["distance"]


def test_several_benchmarks_and_none() -> None:
    other = benchmark("other", {"o": png(100, 200, 150), "bad": b"no image"})
    found = matches({"k": png(100, 200, 150)}, TEN, other)
    assert [(m["benchmark"], m["benchmark_key"]) for m in found] == [("ten", "t0"), ("other", "o")]
    assert matches({"k": png(100)}) == []
    assert matches({"k": png(100)}, benchmark("bad", {"bad": b"no image"})) == []


@pytest.mark.parametrize("corpus", [{}, {"a": b"", "b": b"<html>"}], ids=["empty", "all unreadable"])
def test_no_good_sample_at_all(corpus: dict[str, bytes]) -> None:
    assert matches(corpus, TEN) == []


def test_the_limits_are_those_that_are_set() -> None:
    data = encode(image(100, 200, 150).resize((32, 24)), "JPEG", quality=70)
    (match,) = matches({"k": data}, TEN)
    assert match["distance"] > 0
    at = match["distance"]
    assert [m["distance"] for m in matches({"k": data}, TEN, radius=at)] == [at]
    assert matches({"k": data}, TEN, radius=at - 1) == []
    assert match["verified_by"] == "thumbnails"
    assert [m["score"] for m in matches({"k": data}, TEN, min_similarity=match["score"])] == [match["score"]]
    (other,) = matches({"k": data}, TEN, min_similarity=1, min_agreement=0.75)
    assert (other["verified_by"], other["threshold"]) == ("alignment", 0.75)
    assert [m["score"] for m in matches({"k": data}, TEN, min_similarity=1, min_agreement=1)] in ([], [1])


def test_a_near_hash_alone_does_not_decide() -> None:
    """Two pictures may share a hash; unlike thumbnails and previews say that they are two."""
    unlike, other = sign({"k": png(100, 200, 150)}).select(CORPUS_COLUMNS), sign({"x": png(1)})
    for name in ("sha256", "thumbnail", "preview"):
        unlike = unlike.set_column(unlike.schema.get_field_index(name), unlike.schema.field(name), other[name])
    assert make(ContaminationSettings(), TEN)(unlike).num_rows == 0


def test_golden_digest() -> None:
    def bmp(pixels: Pixels) -> bytes:
        return encode(np.ascontiguousarray(pixels), "BMP")

    ten = benchmark("ten", {f"t{i}": bmp(draw(i)) for i in range(4)})
    seen = make(ContaminationSettings(), ten)
    corpus = {
        "same": bmp(draw(0)),
        "mirror": bmp(draw(1)[:, ::-1]),
        "half": bmp(draw(2)[::2, ::2]),
        "new": bmp(draw(9)),
    }
    table = seen(sign(corpus).select(CORPUS_COLUMNS)).drop_columns(["score", "threshold"])
    assert table["view"].to_pylist() == ["whole~whole", "whole~whole+mirror", "whole~whole"]
    assert rows_digest(table) == "7c33d9e9782bbed9eeb28d3a0b86dfc02ea821c0635ab61d82f62ecce86589f6"
