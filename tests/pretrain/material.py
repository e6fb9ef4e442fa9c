"""A small real run to pretrain on, of coloured noise with captions and labels, and its settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from curate.ops import tars
from curate.pretrain import PretrainResult, pretrain
from curate.pretrain.index import ALONE
from curate.pretrain.job import ready
from curate.pretrain.state import State
from curate.pretrain.train import Place, train
from curate.progress import Watch
from curate.store import Store
from tests.runs import encoded, made, quiet, settings

TINY: dict[str, Any] = {
    "model": "mu", "image_size": 16, "patch": 8, "batch": 16, "steps": 40, "learning_rate": 3e-3, "shots": [1, 5],
}  # fmt: skip
COLOURS = {"red": (200, 40, 40), "green": (40, 190, 40), "blue": (40, 40, 200), "yellow": (210, 200, 40)}


def coloured(name: str, seed: int) -> Image.Image:
    """A noisy picture of one colour, 40 x 40 px."""
    noise = np.random.default_rng(seed).integers(-40, 40, (40, 40, 3))
    return Image.fromarray(np.clip(noise + COLOURS[name], 0, 255).astype(np.uint8))


def planted(folder: Path) -> Path:
    """48 clean samples of 4 colours, 2 of them without caption; a benchmark of 8 other pictures of each colour."""
    names = list(COLOURS)
    captions = {i: f"something {names[i % 4]}" for i in range(48)} | {0: "", 1: " \n"}
    (folder / "corpus").mkdir(parents=True)
    with (folder / "corpus" / "00000.tar").open("wb") as file:
        for i in range(48):
            colour = names[i % 4]
            tars.write(file, f"s{i:02d}.png", encoded(coloured(colour, i), "PNG"))
            tars.write(file, f"s{i:02d}.txt", captions[i].encode())
            facts = {"colour": colour, "tags": [colour, "warm" if colour in ("red", "yellow") else "cold"]}
            tars.write(file, f"s{i:02d}.json", json.dumps(facts).encode())
        file.write(tars.END)
    for number, name in enumerate(names * 8):
        path = folder / "benchmark" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        coloured(name, 1000 + number).save(path)
    return folder


def loose(**changes: Any) -> dict[str, Any]:
    """Tables of the run file: nothing counts as near, since noise of one colour looks alike."""
    return {
        "duplicates": {"radius": 0},
        "contamination": {"radius": 0},
        "clean": {"samples_per_shard": 20},
        "pretrain": {**TINY, **changes},
    }


def finished(folder: Path, *, anew: bool = True, **changes: Any) -> Store:
    """The run, up to its clean shards; with nothing trained on them yet if `anew`."""
    store = made(folder, folder / "run", **loose(**changes))
    for file in (folder / "run").glob("pretrain/state-*.pt") if anew else ():
        file.unlink()
    return store


def trained(folder: Path, **changes: Any) -> PretrainResult:
    """A training from its beginning."""
    return pretrain(settings(folder, folder / "run", **loose(**changes)), finished(folder, **changes), quiet)


def taught(folder: Path, *, anew: bool = True, watch: Watch = quiet, **changes: Any) -> State:
    """A training alone, from its beginning or from where it was, without what comes after it."""
    store = finished(folder, **changes) if anew else Store(str(folder / "run"))
    run = settings(folder, folder / "run", **loose(**changes))
    opened = ready(run, store)
    train(opened.state, opened.goal, opened.batches, run.pretrain, Place(torch.device("cpu"), ALONE, store), watch)
    return opened.state
