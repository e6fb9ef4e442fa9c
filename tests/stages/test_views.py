"""Views: the benchmark's images by the corpus' own code, in every turn; unreadable images have a row too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curate.contracts import contract
from curate.ops.digest import rows_digest
from curate.sources import Sample
from curate.stages.signatures import SignaturesSettings
from curate.stages.views import make
from tests.pictures import draw, encode, png, sample, sign


def look(*samples: Sample) -> pa.Table:
    return contract("views").check(make(SignaturesSettings(embedding="none"))("cats", "s0", samples), "here")


def test_each_view_has_its_row() -> None:
    table = look(sample("wide", png(1, 192, 128)), sample("square", png(2))._replace(label="tom"))
    assert table["view"].to_pylist()[:4] == ["whole", "whole+mirror", "whole+flip", "whole+rot90"]
    assert table["key"].to_pylist() == ["wide"] * 24 + ["square"] * 16
    assert table["label"].to_pylist() == [None] * 24 + ["tom"] * 16
    assert set(table["benchmark"].to_pylist()) == {"cats"}


def test_the_plain_view_is_the_corpus_own_signature() -> None:
    data = png(1, 192, 128)
    signed = sign({"k": data})
    views = look(sample("k", data))
    by_view = dict(zip(views["view"].to_pylist(), views["hash256"].to_pylist(), strict=True))
    assert by_view["whole"] == signed["hash256_whole"][0].as_py()
    assert by_view["square"] == signed["hash256_square"][0].as_py()
    assert views["thumbnail"][0] == signed["thumbnail"][0]
    assert views["sha256"][0] == signed["sha256"][0]
    mirrored = sign({"k": encode(draw(1, 192, 128)[:, ::-1])})
    assert by_view["whole+mirror"] == mirrored["hash256_whole"][0].as_py()


def test_each_row_says_which_part_it_shows_and_one_holds_the_preview() -> None:
    rows = {row["view"]: row for row in look(sample("wide", png(1, 192, 128))).to_pylist()}

    def box(view: str) -> list[float]:
        return [rows[view][name] for name in ("left", "top", "across", "down")]

    assert box("whole") == box("whole+rot90") == [0, 0, 1, 1]
    assert box("square+mirror") == pytest.approx([1 / 6, 0, 2 / 3, 1])
    assert box("evaluation") == pytest.approx([5 / 24, 1 / 16, 7 / 12, 7 / 8])
    assert [view for view, row in rows.items() if row["preview"] is not None] == ["whole"]
    assert {view for view, row in rows.items() if row["thumbnail"] is not None} == {"whole", "square", "evaluation"}
    assert rows["whole"]["preview"] == sign({"wide": png(1, 192, 128)})["preview"][0].as_py()


def test_with_the_detector_crops_are_embedded_too() -> None:
    """Hashed in three parts and eight turns; embedded upright, in ten more poses of the whole, and in 18 crops."""
    table = make(SignaturesSettings())("cats", "s0", [sample("wide", png(1, 192, 128)), sample("bad", b"none")])
    rows = contract("views").check(table, "here").to_pylist()
    assert len(rows) == 24 + 3 + 18 + 1
    both = [row["view"] for row in rows if row["hash256"] and row["embedding"]]
    assert both[:2] == ["whole", "whole+mirror"]
    assert len(both) == 8 + 2
    assert next(row["view"] for row in rows if row["embedding"] and not row["hash256"]) == "whole+tilt-15"
    assert sum(row["embedding"] is not None for row in rows) == 10 + 3 + 18
    assert {row["view"] for row in rows if not row["hash256"] and not row["embedding"]} == {"none"}


def test_blank_and_unreadable_images() -> None:
    table = look(sample("blank", encode(np.full((64, 64), 9, np.uint8))), sample("bad", b"none"), sample("empty", b""))
    assert table["hash256"].null_count == table.num_rows == 16 + 2
    assert table["status"].to_pylist()[16:] == ["not_an_image", "empty"]
    assert table["view"].to_pylist()[16:] == ["none", "none"]
    assert table["sha256"].is_null().to_pylist()[16:] == [False, True]
    assert look().num_rows == 0


def test_golden_digest() -> None:
    table = look(
        *(sample(f"k{i}", encode(draw(i, *s), "BMP")) for i, s in enumerate([(128, 128), (256, 128), (64, 128)]))
    )
    table = table.drop_columns(["preview", "details"])  # the bytes of one are its encoder's choice, the other's SIFT's
    assert rows_digest(table) == "1962ac29e825eadf1f184e491db50bda21a682773f06b377f6ac145304818764"
