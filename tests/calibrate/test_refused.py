"""What `curate calibrate` refuses, and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.errors import ConfigError, CurateError, SourceError
from tests.calibrate.test_calibrate import asked, said
from tests.pictures import png


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of three pictures."""
    root = tmp_path_factory.mktemp("three")
    (root / "benchmark").mkdir()
    for i in range(3):
        (root / "benchmark" / f"{i}.png").write_bytes(png(i, 80, 60))
    return root


def test_all_faults_of_the_command_line_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        said(asked(Path("x"), benchmarks=["x", "a=p", "a=q", "a b=p"], false_pairs=0.0, copies=0))
    assert len(caught.value.faults) == 5
    with pytest.raises(ConfigError, match="--benchmark NAME=PATH is wanted"):
        said(asked(Path("x"), benchmarks=[]))


@pytest.mark.parametrize("number", [0, 1])
def test_a_benchmark_of_no_or_one_readable_image_is_refused(tmp_path: Path, number: int) -> None:
    (tmp_path / "broken.png").write_bytes(b"<html>")
    for i in range(number):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    with pytest.raises(
        SourceError, match=rf"{number} image\(s\) of {number + 1} can be read; 1 not_an_image.*at least 2"
    ):
        said(asked(tmp_path, benchmarks=[f"drawn={tmp_path}"]))


def test_paths_that_are_not_there_and_empty_ones_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CurateError, match="nowhere"):
        said(asked(folder, benchmarks=["drawn=nowhere"]))
    with pytest.raises(SourceError, match="no images"):
        said(asked(folder, benchmarks=[f"drawn={tmp_path}"]))
    with pytest.raises(CurateError, match="nowhere"):
        said(asked(folder, corpus="nowhere/*.tar", copies=1))
    (tmp_path / "broken.png").write_bytes(b"<html>")
    with pytest.raises(SourceError, match="none of the 1 samples looked at can be read"):
        said(asked(folder, corpus=str(tmp_path), copies=1))
    with pytest.raises(SourceError, match=r"cifar10. has 3 images; the test split of CIFAR-10 has 10,000"):
        said(asked(folder, benchmarks=[f"cifar10={folder}/benchmark"]))


def test_images_too_small_to_edit_are_refused(folder: Path, tmp_path: Path) -> None:
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(png(i, 8, 8))
    with pytest.raises(SourceError, match="too small or too narrow to be edited"):
        said(asked(folder, benchmarks=[f"drawn={tmp_path}"]))
