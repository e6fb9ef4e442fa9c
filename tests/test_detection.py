"""The small version of `make bench-detection`: drawn pictures, every edit, and what each part of the search is for."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image, ImageOps

from curate.demo.pictures import KINDS
from curate.ops.edits import EDITS
from curate.stages.contamination import ContaminationSettings
from curate.stages.signatures import SignaturesSettings
from tests.bench.detection import table
from tests.bench.detection.end_to_end import Planted
from tests.bench.detection.ours import Ours
from tests.bench.detection.pictures import Picture, copies
from tests.bench.detection.table import OURS, Column, Count

ORIGINALS, STRANGERS, GROUNDS = 4, 2, 1
"""Pictures of each of the ten drawn kinds."""
SIZES = ((320, 240), (300, 400), (400, 300), (360, 360))

FLOORS = {
    **dict.fromkeys(EDITS, 1.0),
    **dict.fromkeys(("crop to 30 %", "10 % border", "20 % banner", "three edits, 64 px"), 0.92),
    "paste at half area": 0.85,
    "tile of a collage": 0.8,
}
"""Least recall on drawn pictures, which are flatter than photographs."""


# -- the table on drawn pictures ---------------------------------------------------------------------------------------


@cache
def drawn(first: int, count: int) -> list[Picture]:
    """Pictures number `first` and on of each kind, the same each time."""
    made = []
    for number, (name, draw) in enumerate(KINDS.items()):
        for at in range(first, first + count):
            out = io.BytesIO()
            picture = draw(np.random.default_rng([number, at]), SIZES[at % len(SIZES)]).image
            picture.convert("RGB").save(out, "JPEG", quality=92)
            made.append(Picture(f"{name}{at}", out.getvalue()))
    return made


def strangers() -> list[bytes]:
    """Pictures that no copy shows."""
    return [picture.jpeg for picture in drawn(ORIGINALS, STRANGERS)]


def benchmark() -> list[bytes]:
    """The originals, and the strangers."""
    return [picture.jpeg for picture in drawn(0, ORIGINALS)] + strangers()


def counted(ours: Ours, edit: str) -> Count:
    """What is found of the copies by one edit."""
    trial = copies(edit, drawn(0, ORIGINALS), drawn(ORIGINALS + STRANGERS, GROUNDS))
    return table.count(ours.scores(trial.jpegs), 0.5)


@pytest.fixture(scope="module")
def whole() -> Ours:
    """Our detection with all its parts."""
    return Ours(benchmark())


@pytest.mark.parametrize("edit", EDITS)
def test_copies_are_found_and_nobody_is_accused(whole: Ours, edit: str) -> None:
    found = counted(whole, edit)
    assert found.pictures == 40
    assert found.recall >= FLOORS[edit]
    assert found.false == 0


def test_the_floors_are_of_edits_in_the_table() -> None:
    assert set(FLOORS) <= set(EDITS) == set(table.FLOORS)


# -- each part earns its place -----------------------------------------------------------------------------------------


class Part(NamedTuple):
    """A part of the search: how to take it away, and the edits that are then found less than their floor."""

    remove: dict[str, Any]
    serves: tuple[str, ...]


def without_views(named: str) -> Callable[[pa.Table], pa.Table]:
    """Take the views of the benchmark whose name contains `named` away."""
    return lambda views: views.filter(pc.invert(pc.match_substring(views["view"], named)))


def without_columns(named: str) -> Callable[[pa.Table], pa.Table]:
    """Empty the columns of signatures or views whose name contains `named`."""

    def change(table: pa.Table) -> pa.Table:
        for number, field in enumerate(table.schema):
            if named in field.name:
                table = table.set_column(number, field, pa.nulls(len(table), field.type))
        return table

    return change


WHOLE, SQUARE, CROPPED = "as it is", "centre square", "evaluation crop"
FRAMED, TILTED = "in a frame of its own area", "turned by 15 degrees, 48 px"


def edited(how: str) -> list[bytes]:
    """The originals, changed in one of these ways."""
    if how == CROPPED:
        return copies(CROPPED, drawn(0, ORIGINALS), drawn(ORIGINALS + STRANGERS, GROUNDS)).jpegs
    made = []
    for original in drawn(0, ORIGINALS):
        picture = Image.open(io.BytesIO(original.jpeg)).convert("RGB")
        if how == SQUARE:
            picture = ImageOps.fit(picture, (min(picture.size),) * 2)
        if how == FRAMED:
            picture = ImageOps.expand(picture, tuple(round(side * 0.207) for side in picture.size), (40, 90, 160))
        if how == TILTED:
            picture = picture.rotate(15, Image.Resampling.BICUBIC).resize((48, 48), Image.Resampling.BOX)
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=90)
        made.append(out.getvalue())
    return made


NEAREST: dict[str, Any] = {"matching": ContaminationSettings(most_candidates=1)}
"""Of 60 images the nearest, as of 360 the nearest six: else every image is a candidate, and no view is needed."""
EMBEDDING, PREVIEW, DETAILS = (without_columns(name) for name in ("embedding", "preview", "details"))
BY_DETAILS = {"matching": ContaminationSettings(most_candidates=2)}
"""By turns: of 60 images the nearest, and that with the most details."""

PARTS = {
    "turned views": Part({"change_views": without_views("+rot"), **NEAREST}, ("quarter turn",)),
    "mirrored views": Part({"change_views": without_views("+mirror"), **NEAREST}, ("mirror",)),
    "crops": Part({"change_views": without_views("crop-"), **NEAREST}, ("crop to 30 %", "crop to 50 %")),
    "details": Part({"change_views": DETAILS, **BY_DETAILS}, ("paste at half area",)),
    "hashes of quarters": Part({"change_signatures": without_columns("hash256_")}, ("tile of a collage",)),
    "the detector": Part({"change_signatures": EMBEDDING}, ("crop to 70 %", "10 % border", "paste at half area")),
    "alignment": Part({"change_signatures": PREVIEW}, ("crop to 50 %", "rotate 15 degrees", "three edits, 64 px")),
}


@pytest.mark.parametrize("name", PARTS)
def test_without_a_part_an_edit_falls_below_its_floor(name: str) -> None:
    part = PARTS[name]
    ours = Ours(benchmark(), **part.remove)
    for edit in part.serves:
        assert counted(ours, edit).recall < FLOORS[edit]


class Centred(NamedTuple):
    """A view of a centre: how to take it away, and the edits of the samples and of the images that it is there for."""

    remove: dict[str, Any]
    sample: str
    image: str


BY_HASHES: dict[str, Any] = {"signing": SignaturesSettings(embedding="none")}
"""The detector would find these by its crops too."""
CENTRED = {
    "the benchmark's squares": Centred({"change_views": without_views("square")}, SQUARE, WHOLE),
    "evaluation crops": Centred({"change_views": without_views("evaluation")}, CROPPED, WHOLE),
    "the corpus' squares": Centred({"change_signatures": without_columns("square")}, WHOLE, SQUARE),
}


@pytest.mark.parametrize("name", CENTRED)
def test_without_a_view_of_the_centre_hashes_find_few(name: str) -> None:
    part = CENTRED[name]
    trial, images = edited(part.sample), edited(part.image) + strangers()
    assert table.count(Ours(images, **BY_HASHES).scores(trial), 0.5).recall == 1
    assert table.count(Ours(images, **BY_HASHES, **part.remove).scores(trial), 0.5).recall < 0.5


@pytest.mark.parametrize(("view", "how", "floor"), [("+inset", FRAMED, 0.92), ("+tilt", TILTED, 0.95)])
def test_without_a_pose_fewer_are_found_that_are_in_it(view: str, how: str, floor: float) -> None:
    trial = edited(how)
    assert table.count(Ours(benchmark(), **NEAREST).scores(trial), 0.5).recall >= floor
    without = Ours(benchmark(), change_views=without_views(view), **NEAREST)
    assert table.count(without.scores(trial), 0.5).recall < floor


def test_without_verification_strangers_are_accused() -> None:
    """What the detector proposes are strangers, nine of ten; only what verification says of a pair clears them."""
    trusting = ContaminationSettings(min_similarity=-1, min_agreement=0)
    assert counted(Ours(benchmark(), matching=trusting), "crop to 70 %").false > 0


# -- the counting itself -----------------------------------------------------------------------------------------------

SCORES = np.array([[0.9, 0.1, 0.8], [0.2, 0.3, 0.1]], np.float32)
"""Two pictures in a benchmark of three: the first found well, the second badly; the worst unrelated pair has .8."""


def test_a_trial_is_counted_by_hand() -> None:
    assert table.count(SCORES, 0.5) == Count(pictures=2, found=1, unrelated=4, false=1)
    assert table.count(SCORES, 0.3) == Count(pictures=2, found=2, unrelated=4, false=1)


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    low, high = Count(400, 396, 0, 0).interval()
    assert (round(low, 4), round(high, 4)) == (0.9746, 0.9973)
    assert Count(10, 10, 0, 0).interval()[1] == 1
    assert Count(10, 0, 0, 0).interval()[0] == 0


@pytest.mark.parametrize(("per_million", "false"), [(0, 0), (250_000, 1), (500_000, 2)])
def test_the_threshold_keeps_to_a_rate_of_false_pairs(per_million: float, false: int) -> None:
    threshold = table.threshold_for([SCORES], per_million)
    assert table.count(SCORES, threshold).false == false


def test_shortfalls_are_named_with_their_interval_and_the_rival() -> None:
    good, bad = np.eye(400, dtype=np.float32), np.zeros((400, 400), np.float32)
    scores = dict.fromkeys(table.FLOORS, good) | {"mirror": bad, table.LOOKALIKES: good}
    rival = Column("peer", scores | {"mirror": good}, 0.5)
    many = good.copy()
    many[0, 1:4] = 1
    found = table.tabulate([rival, Column(OURS, scores | {table.CALIBRATED: many}, 0.5)])
    assert table.shortfalls(found, rival="peer") == [
        "mirror: 0 of 400 (95 % interval 0 to 0.9), floor 99",
        "mirror: 0 found, peer 400",
        "lookalikes, calibrated: 3 false pairs, at most 2",
    ]
    assert table.markdown(table.cells(found)).splitlines()[12] == "| mirror | 400 | 99 | 100 | 0 |"
    assert table.cells(found)[-2:] == [
        ["lookalikes, calibrated", "400", "95", "", "100"],
        ["  false pairs", "159,600", "2", "", "3"],
    ]


def test_planted_copies_are_found_by_either_side_of_a_pair() -> None:
    joined = [("copy0", "a"), ("b", "copy1"), ("c", "a"), ("copy2", "a")]
    edit = {"copy0": "jpeg", "copy1": "text", "copy2": "rot5"}
    planted = Planted({"copy0": "a", "copy1": "b", "copy2": "c"}, edit, joined)
    assert {name: n for name, n in planted.found().items() if n} == {"jpeg": 1, "text": 1}
    assert planted.wrong() == [("c", "a"), ("copy2", "a")]
