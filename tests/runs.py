"""Small real runs for tests: tars of drawn pictures, one benchmark folder, and the run file that reads them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from curate.config import parse
from curate.executors import Serial
from curate.ops import tars
from curate.progress import Progress
from curate.runfile import RunFile
from curate.runner import run
from curate.store import Store


def picture(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """A picture like no other: smoothed colour noise, (height, width) px."""
    noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return Image.fromarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC))


def encoded(image: Image.Image, form: str = "JPEG", quality: int = 90) -> bytes:
    """The picture's bytes."""
    out = io.BytesIO()
    image.save(out, form, quality=quality)
    return out.getvalue()


def tar(path: Path, samples: Mapping[str, bytes | tuple[bytes, str]]) -> Path:
    """Write a shard: key -> image bytes, or (image bytes, caption)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for key, sample in samples.items():
            image, caption = sample if isinstance(sample, tuple) else (sample, f"picture {key}")
            tars.write(file, f"{key}.jpg", image)
            tars.write(file, f"{key}.txt", caption.encode())
        file.write(tars.END)
    return path


def corpus(folder: Path) -> Path:
    """Two shards: 8 + 6 samples, among them 2 copies of benchmark pictures, 2 duplicates and 1 broken image."""
    first = {f"a{i}": encoded(picture(i)) for i in range(6)}
    first["a6"] = encoded(picture(100).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    first["a7"] = encoded(picture(0), quality=40)
    second = {f"b{i}": encoded(picture(10 + i)) for i in range(3)}
    second["b3"] = encoded(picture(101).resize((80, 60)))
    second["b4"] = encoded(picture(3))
    second["b5"] = encoded(picture(20))[:-900]
    tar(folder / "corpus" / "00000.tar", first)
    tar(folder / "corpus" / "00001.tar", second)
    for i in range(3):
        path = folder / "benchmark" / f"class{i}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(100 + i).save(path)
    return folder


def settings(folder: Path, out: str | Path, **tables: Any) -> RunFile:
    """The run file for `corpus(folder)`; hashes only, and no recall, unless asked."""
    given = {
        "out": str(out),
        "corpus": {"path": f"{folder}/corpus/*.tar"},
        "benchmarks": {"drawn": {"path": f"{folder}/benchmark"}},
        "clean": {"samples_per_shard": 4},
        "recall": {"copies": 0},
        **tables,
        "signatures": {"embedding": "none", **tables.get("signatures", {})},
    }
    return parse(RunFile, given, "test")


def quiet(progress: Progress) -> None:
    """Watch nothing."""
    del progress


def made(folder: Path, out: str | Path, **tables: Any) -> Store:
    """Run it here, one part after another."""
    return run(settings(folder, out, **tables), Serial(), quiet)


def contents(store: Store) -> dict[str, str]:
    """The content digest of every dataset of a run."""
    names = ("urls", "shards", "signatures", "views", "contamination", "recall", "duplicates", "decisions", "clean")
    manifests = {name: store.read_json(name, "manifest.json") for name in names}
    return {name: manifest["content"] for name, manifest in manifests.items() if manifest}


def curate(words: list[str], cwd: Path) -> str:
    """Run a command line, `curate` its first word; all it printed."""
    wide = {**os.environ, "COLUMNS": "200"}
    command = [sys.executable, "-m", "curate", *words[1:]]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=900, env=wide)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout
