"""What the demo plants is the same to the byte each time and is what truth.json says; clean pictures are unlike."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import imagehash
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from curate.contracts import statuses
from curate.demo.edits import EDITS
from curate.demo.faults import flat_png
from curate.demo.plant import COPIES, DETOURS, LISTS, TWINS, plant
from curate.demo.web import Addresses
from curate.errors import StaleError
from curate.ops.images import Fault, Picture, decode, limits, probe
from tests.conftest import Demo

TURNS = (None, *Image.Transpose)


@pytest.fixture(scope="module")
def planted(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same planting twice: in this process, and as the demo did it in its own, which hashes strings differently."""
    here, there = tmp_path_factory.mktemp("here"), demo.folder / "runs" / "demo" / "web"
    plant(here, _addresses(there))
    return here, there


def _addresses(folder: Path) -> Addresses:
    return Addresses(**json.loads((folder / "truth.json").read_text("utf-8"))["recipe"]["addresses"])


@pytest.fixture(scope="module")
def truth(planted: tuple[Path, Path]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((planted[0] / "truth.json").read_text("utf-8"))
    return read


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "web.json")  # the server's
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _file(folder: Path, url: str) -> Path:
    """The file below `site` that a URL, detours taken off, shows."""
    path = urlsplit(url).path.removeprefix("/")
    for before, _ in DETOURS.values():
        path = path.removeprefix(before)
    return folder / "site" / path


def test_the_same_seed_gives_the_same_bytes(planted: tuple[Path, Path]) -> None:
    here, there = map(_digests, planted)
    assert here == there


def test_planting_again_changes_nothing(planted: tuple[Path, Path]) -> None:
    before = {path: path.stat().st_mtime_ns for path in planted[0].rglob("*")}
    plant(planted[0], _addresses(planted[0]))
    assert {path: path.stat().st_mtime_ns for path in planted[0].rglob("*")} == before


def test_a_directory_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark" / "mine.txt").write_text("mine")
    with pytest.raises(StaleError, match="no demo made it"):
        plant(tmp_path, Addresses("http://127.0.0.1:8001", "http://127.0.0.1:8002", "http://127.0.0.1:8003"))
    assert (tmp_path / "benchmark" / "mine.txt").read_text() == "mine"


def test_every_url_is_listed_once_and_has_one_truth(planted: tuple[Path, Path], truth: dict[str, Any]) -> None:
    parts = sorted((planted[0] / "urls").iterdir())
    listed = [url for part in parts for url in pq.read_table(part)["url"].to_pylist()]
    originals = [twin["original"] for twin in truth["duplicates"].values()]
    told = [*truth["clean"], *truth["edits"], *truth["duplicates"], *originals]
    told += [url for url, fault in truth["faults"].items() if fault["expected"] != "ok"]
    assert len(parts) == LISTS
    assert sorted(listed) == sorted(told)
    assert len(set(listed)) == len(listed) > 600


def test_truth_names_enough_of_everything(planted: tuple[Path, Path], truth: dict[str, Any]) -> None:
    assert len(truth["clean"]) >= 400
    assert [edit["edit"] for edit in truth["edits"].values()] == [name for name in EDITS for _ in range(COPIES)]
    assert len(truth["duplicates"]) == 4 * TWINS
    assert {fault["expected"] for fault in truth["faults"].values()} <= set(statuses())
    benchmark = planted[0] / "benchmark"
    keys = {path.relative_to(benchmark).with_suffix("").as_posix() for path in benchmark.rglob("*.*")}
    assert {edit["benchmark"] for edit in truth["edits"].values()} < keys
    assert 60 <= len(keys) <= 96
    assert len(list(benchmark.iterdir())) >= 6


def test_clean_pictures_resemble_neither_each_other_nor_the_benchmark(
    planted: tuple[Path, Path], truth: dict[str, Any]
) -> None:
    originals = [twin["original"] for twin in truth["duplicates"].values()]
    files = [_file(planted[0], url) for url in [*truth["clean"], *originals]]
    files += sorted((planted[0] / "benchmark").rglob("*.*"))
    views = np.stack([_views(file.read_bytes()) for file in files])
    assert _nearest(views) > 70


def test_copies_lie_where_hashes_find_them(planted: tuple[Path, Path], truth: dict[str, Any]) -> None:
    """All edits but the crop stay within 51 bits of their picture in some view; crops are for embeddings to find."""
    benchmark = {
        p.relative_to(planted[0] / "benchmark").with_suffix("").as_posix(): p for p in planted[0].rglob("benchmark/*/*")
    }
    for url, edit in truth["edits"].items():
        pair = np.stack([_views(path.read_bytes()) for path in (_file(planted[0], url), benchmark[edit["benchmark"]])])
        assert (_nearest(pair) <= 51) == ("crop" not in edit["edit"]), (url, edit)


def test_odd_bodies_are_what_they_are_called(planted: tuple[Path, Path]) -> None:
    odd = planted[0] / "site" / "odd"
    fates = {path.name: probe(path.read_bytes()) for path in odd.iterdir()}
    named = {name: fate.status for name, fate in fates.items() if isinstance(fate, Fault)}
    assert named == {
        "page.jpg": "not_an_image",
        "drawing.svg": "svg",
        "empty.jpg": "empty",
        "huge.png": "too_many_pixels",
    }
    header = fates["icon.png"]
    assert not isinstance(header, Fault)
    small = limits(header, 10**8, min_side=16)
    assert small is not None
    assert small.status == "too_small"
    data, header = (odd / "truncated.jpg").read_bytes(), fates["truncated.jpg"]
    assert not isinstance(header, Fault)
    broken = decode(data, header, 64, colour=False)
    assert isinstance(broken, Fault)
    assert broken.status == "truncated"


def test_the_flat_png_is_a_real_one() -> None:
    with Image.open(io.BytesIO(flat_png(37, 11))) as image:
        assert (image.size, image.mode, image.convert("L").getextrema()) == ((37, 11), "1", (0, 0))


def _views(data: bytes) -> NDArray[np.bool_]:
    """Whole and centre square in 8 turns and mirrors each: (2, 8, 256) bits by imagehash, decoded by the product."""
    header = probe(data)
    assert not isinstance(header, Fault)
    decoded = decode(data, header, 10**6, colour=False)
    assert isinstance(decoded, Picture)
    image = Image.fromarray(decoded.pixels)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    regions = (image, image.crop((left, top, left + side, top + side)))
    return np.array([[_hash(region, turn) for turn in TURNS] for region in regions])


def _hash(region: Image.Image, turn: Image.Transpose | None) -> NDArray[np.bool_]:
    small = region.resize((64, 64), Image.Resampling.LANCZOS)
    bits: NDArray[np.bool_] = imagehash.phash(
        small if turn is None else small.transpose(turn), hash_size=16
    ).hash.ravel()
    return bits


def _nearest(views: NDArray[np.bool_]) -> int:
    """The least Hamming distance in bits between an upright view of one picture and any view of another."""
    pictures, bits = len(views), views.astype(np.float32)
    upright, turned = bits[:, :, 0].reshape(-1, 256), bits.reshape(-1, 256)
    apart = upright @ (1 - turned).T + (1 - upright) @ turned.T
    between = apart.reshape(pictures, 2, pictures, 16).min(axis=(1, 3))
    np.fill_diagonal(between, 256)
    return int(between.min())
