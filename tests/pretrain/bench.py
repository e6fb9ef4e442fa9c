"""The figures of the pretraining on real photographs: `python -m tests.pretrain.bench --pictures DIR --out DIR`.

DIR holds clothing-0000{0,1,2}.tar (600 CC0 photographs of clothes; `json` has the class) and caltech-faces.tar (145
photographs of faces). `learns` trains on all of them but a held-out share; `compare` trains on two thirds of the
clothes with images of the last third planted among them. The settings were chosen looking at these photographs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from curate.display import say_report, watching
from curate.ops import tars
from curate.pretrain import compare, pretrain
from curate.sources import Shard, read
from tests.runs import made, settings

LEARNS: dict[str, Any] = {
    "model": "xs", "image_size": 32, "patch": 8, "objective": "label", "label_field": "class", "held_out": 0.13,
    "steps": 600, "learning_rate": 2e-3, "mixup": 0.2, "trainings": 5, "shots": [1, 5, 10], "probe_seeds": 5,
}  # fmt: skip
COMPARES: dict[str, Any] = {
    "model": "mu", "image_size": 32, "patch": 8, "objective": "label", "label_field": "class", "batch": 64,
    "steps": 400, "learning_rate": 5e-3, "compare": {"shares": [0.3], "seeds": 5},
}  # fmt: skip


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=["learns", "compare"])
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-pretrain"))
    given, began = parser.parse_args(), time.monotonic()
    out = given.out / given.which
    (out / "corpus").mkdir(parents=True, exist_ok=True)
    names = ["clothing-00000", "clothing-00001"] + ["clothing-00002", "caltech-faces"] * (given.which == "learns")
    for name in names:
        _labelled(given.pictures / f"{name}.tar", out / "corpus" / f"{name}.tar")
    _benchmark(given.pictures / "clothing-00002.tar", out / "benchmark")
    embedding = "detector" if given.which == "compare" else "none"
    tables: dict[str, Any] = {"pretrain": LEARNS if given.which == "learns" else COMPARES}
    tables |= {"signatures": {"embedding": embedding}, "benchmarks": {"clothes": {"path": f"{out}/benchmark"}}}
    if given.which == "learns":
        tables["benchmarks"] = {}
    store = made(out, out / "run", **tables)
    run = settings(out, out / "run", **tables)
    console = Console(width=160)
    with watching(console) as watch:
        found = pretrain(run, store, watch) if given.which == "learns" else compare(run, store, watch)
    console.print(found)
    say_report(console, run, store)
    used = resource.getrusage(resource.RUSAGE_SELF)
    console.print(f"{time.monotonic() - began:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU")


def _labelled(source: Path, target: Path) -> None:
    """Copy a tar, with the class `face` where there is no label."""
    if target.exists():
        return  # written again, it would look changed
    with target.open("wb") as file:
        for sample in read(Shard(source.stem, "tar", (f"file://{source.resolve()}",), "")):
            facts = {"class": "face"} | json.loads(dict(sample.members).get("json", b"{}"))
            key = sample.key.replace("/", "_") if facts["class"] != "face" else f"face-{sample.key}"
            tars.write(file, f"{key}.jpg", sample.image or b"")
            tars.write(file, f"{key}.json", json.dumps({"class": facts["class"]}).encode())
        file.write(tars.END)


def _benchmark(source: Path, folder: Path) -> None:
    for sample in read(Shard(source.stem, "tar", (f"file://{source.resolve()}",), "")):
        path = folder / str(json.loads(dict(sample.members)["json"])["class"]) / f"{sample.key}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(sample.image or b"")


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    main()
