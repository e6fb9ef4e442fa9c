"""The benchmarks known by name: one data file each. A run's benchmark of such a name must have as many images."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import Field
from rich.table import Table

from curate.config import Settings, parse
from curate.errors import SourceError


class Benchmark(Settings):
    """What is known of a benchmark's split."""

    title: str
    split: str = Field(description="the split that models are judged on")
    images: int = Field(description="number of images in it")
    classes: int = Field(description="number of labels")
    pixels: str = Field(description="how its images were cropped and sized, which decides the views that find them")
    licence: str
    source: str = Field(description="where it is published")


@cache
def known() -> dict[str, Benchmark]:
    """All benchmarks known by name, sorted."""
    files = sorted(Path(__file__).parent.glob("*.toml"))
    return {file.stem: parse(Benchmark, tomllib.loads(file.read_text("utf-8")), str(file)) for file in files}


def check_count(name: str, images: int) -> None:
    """Refuse an empty benchmark, and one of a known name that has not all its images: half a download finds half."""
    if not images:
        raise SourceError(f"benchmark `{name}` has no images")
    preset = known().get(name)
    if preset and preset.images != images:
        raise SourceError(
            f"benchmark `{name}` has {images:,} images; the {preset.split} split of {preset.title} has "
            f"{preset.images:,}. Is it whole, and this split? To search a part of it, give it another name."
        )


def table() -> Table:
    """The list that `curate benchmarks` prints."""
    listed = Table(title="Benchmarks known by name; any other name=path works too", title_justify="left")
    for column in ("name", "split", "images", "classes", "pictures", "licence", "source"):
        listed.add_column(column, justify="right" if column in ("images", "classes") else "left")
    for name, b in known().items():
        listed.add_row(name, b.split, f"{b.images:,}", f"{b.classes:,}", b.pixels, b.licence, b.source)
    return listed
