"""Where a benchmark's images are: the place that the run file gives, else on this machine, else on the hub."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from curate.benchmarks.presets import TRAIN, Benchmark, Tfds, members, preset, split_of
from curate.sources import SourceSettings

FOLDER = "CURATE_BENCHMARKS"
"""Names a folder of benchmarks: DIR/NAME/, or as the hub, torchvision and TFDS lay theirs out."""


class BenchmarkSettings(SourceSettings):
    """A benchmark of a run: where its images are, and what it means when the corpus shows one."""

    role: Literal["test", "train"] = Field(
        "test", description="`train`: a match with it is told, but it is no contamination and drops no sample"
    )


def placed(named: Mapping[str, Any]) -> dict[str, Any]:
    """The `[benchmarks]` of a run file, groups resolved, and each known one with the place where it is.

    One with a `path` keeps its name; the path may be a copy's own root, of a group the folder that holds its copies.
    Whatever else is wrong is left to be found.
    """
    found: dict[str, Any] = {}
    for name, given in named.items():
        if not isinstance(given, Mapping):
            found[name] = given
        elif "path" in given and len(members(name)) > 1:
            for member in members(name):
                copy = next(_in_folder(str(given["path"]), member), {"path": f"{given['path']}/{member}"})
                found[member] = _with_role(member, {**given, **copy})
        elif "path" in given:
            found[name] = _with_role(name, {**given, **_inside(name, given)})
        else:
            for member in members(name) or (name,):
                found[member] = _with_role(member, {**_source(member), **given})
    return found


def _with_role(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"role": "train", **given} if preset(name) and split_of(name) == "train" else given


def _inside(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The place in a local copy of a known benchmark where its images are; nothing where it has a shape of its own."""
    known, path = preset(name), given["path"]
    settled = not isinstance(path, str) or {"listed", "dataset"} & set(given) or not Path(path).is_dir()
    return {} if known is None or settled else next(_layouts(Path(path), known, split_of(name)), {})


def _source(name: str) -> dict[str, Any]:
    known = preset(name)
    if known is None:
        return {}
    return on_this_machine(name) or {"path": f"hf://datasets/{known.hub}/{split_of(name)}"}


def on_this_machine(name: str) -> dict[str, Any] | None:
    """Where a known benchmark is on this machine: in the folder of benchmarks, or in the hub's cache."""
    known = preset(name)
    if known is None:
        return None
    return next(_in_folder(os.environ.get(FOLDER), name), None) or _in_cache(known, split_of(name))


def _in_folder(root: str | None, name: str) -> Iterator[dict[str, Any]]:
    """The places below a folder of benchmarks where a known one may be, the surest first."""
    known = preset(name)
    if known is None or not root or not Path(root).is_dir():
        return
    folders = (name, members(name)[0].removesuffix(TRAIN), known.hub.rpartition("/")[2])
    copies = [Path(root, folder) for folder in dict.fromkeys(folders) if Path(root, folder).is_dir()]
    for copy in copies:
        yield from _layouts(copy, known, split_of(name))
    yield from _layouts(Path(root), known, split_of(name), own=False)
    yield from ({"path": str(copy)} for copy in copies)


def _layouts(root: Path, known: Benchmark, split: str, own: bool = True) -> Iterator[dict[str, Any]]:
    """The layouts that are found below `root`; when it is not the benchmark's `own`, only those that tell whose."""
    if own and (root / "nshards.txt").is_file():
        yield {"path": str(root)}
    if own and any(root.glob("*/nshards.txt")):
        yield {"path": str(root / split)}  # also where there is only another split: that is then said
    yield from _originals(root, known, split, own)
    if own and (tables := [*root.glob(f"{split}-*.parquet"), *root.glob(f"*/{split}-*.parquet")]):
        yield {"path": str(tables[0].parent / f"{split}-*.parquet")}
    if own and (root / split).is_dir():
        yield {"path": str(root / split)}
    if own and any(root.glob("*.tar")):
        yield {"path": str(root / "*.tar")}


def _originals(root: Path, known: Benchmark, split: str, own: bool) -> Iterator[dict[str, Any]]:
    """The benchmark as torchvision and TFDS keep it; of train splits, only those that torchvision reads itself."""
    told = known.torchvision
    if told and told.dataset and (root / told.images).exists() and (split == "test" or (root / told.images).is_dir()):
        yield {"path": str(root / told.images), "dataset": f"{told.dataset} {split}"}
    elif told and split == "test" and (told.listed or own) and (root / told.images).is_dir():
        listed = {"listed": str(root / told.listed)} if told.listed else {}
        yield {"path": str(root / told.images), **listed}
    if known.tfds and split == "test":
        yield from _records(root, known.tfds, own)


def _records(root: Path, told: Tfds, own: bool) -> Iterator[dict[str, Any]]:
    """The TFRecord files of the split, NAME/VERSION/ or NAME/CONFIG/VERSION/ below TFDS' root; of the last version."""
    files = f"*-{told.split}.tfrecord-*"
    folders = ("", "*/", "*/*/") if own else (f"{told.name}/*/",)
    found = sorted({file.parent for folder in folders for file in root.glob(folder + files)})
    if found:
        yield {"path": str(found[-1] / files)} | ({"rows": told.rows} if told.rows else {})


def _in_cache(known: Benchmark, split: str) -> dict[str, Any] | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    said = try_to_load_from_cache(known.hub, f"{split}/nshards.txt", repo_type="dataset")
    return {"path": str(Path(said).parent)} if isinstance(said, str) else None
