"""The benchmarks known by name: one data file each."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from curate.config import Settings, parse


class Torchvision(Settings):
    """Where torchvision keeps a benchmark's images, below its root."""

    images: str = Field(description="the folder of images; or the file or folder of those that are no image files")
    dataset: str | None = Field(None, description="of these: its class, which reads them")
    listed: str | None = Field(None, description="the file that names those of the split; all, when not given")


class Tfds(Settings):
    """Where TensorFlow Datasets keeps a benchmark, below its root: NAME/VERSION/*-SPLIT.tfrecord-*."""

    name: str
    split: str
    rows: tuple[int, int] | None = Field(None, description="the rows that are the test split, where it is cut out")
    images: int | None = Field(None, description="number of images in it, where it is another than elsewhere")


class Benchmark(Settings):
    """What is known of a benchmark's split."""

    title: str
    split: str = Field(description="the split that models are judged on")
    images: int = Field(description="number of images in it")
    classes: int | None = Field(None, description="number of labels; not given where there are several tasks")
    tasks: dict[str, int] = Field(
        default_factory=dict, description="several tasks on the same images, which are indexed once: number of labels"
    )
    pixels: str = Field(description="how its images were cropped and sized, which decides the views that find them")
    licence: str
    source: str = Field(description="where it is published")
    hub: str = Field(description="dataset of the Hugging Face hub that holds it as WebDataset, SPLIT/0.tar, 1.tar, ...")
    groups: tuple[str, ...] = Field((), description="names that stand for several benchmarks")
    remark: str | None = None
    torchvision: Torchvision | None = None
    tfds: Tfds | None = None

    @property
    def counts(self) -> set[int]:
        """The numbers of images that a whole copy may have."""
        return {self.images, (self.tfds and self.tfds.images) or self.images}


@cache
def known() -> dict[str, Benchmark]:
    """All benchmarks known by name, sorted."""
    files = sorted(Path(__file__).parent.glob("*.toml"))
    return {file.stem: parse(Benchmark, tomllib.loads(file.read_text("utf-8")), str(file)) for file in files}


@cache
def groups() -> dict[str, tuple[str, ...]]:
    """The names that stand for benchmarks: groups, and tasks that share their images with others."""
    stands: dict[str, tuple[str, ...]] = {}
    for name, benchmark in known().items():
        for group in (*benchmark.groups, *benchmark.tasks):
            stands[group] = (*stands.get(group, ()), name)
    return stands


def members(name: str) -> tuple[str, ...]:
    """The benchmarks that a name stands for: those of the group, or the one that has it; none when it is not known.

    `_` is as good as `-`, and `NAME-train` is the train split of NAME.
    """
    plain = name.lower().replace("_", "-")
    stem = plain.removesuffix(TRAIN)
    some = groups().get(stem) or ((stem,) if stem in known() else ())
    return some if stem == plain else tuple(member + TRAIN for member in some)


def split_of(name: str) -> Literal["test", "train"]:
    """The split that a benchmark's name means."""
    return "train" if name.lower().replace("_", "-").endswith(TRAIN) else "test"


def preset(name: str) -> Benchmark | None:
    """What is known of the benchmark of this name, its train split too; None when it is not known."""
    one = members(name)
    return known().get(one[0].removesuffix(TRAIN)) if len(one) == 1 else None


TRAIN = "-train"
