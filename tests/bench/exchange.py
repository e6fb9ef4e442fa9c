"""The exchange at size: what each of its stages takes, and whether it decides as one task that holds all samples does.

The corpus is that of `tests.bench.duplicates`, in parts of 10,000, as if it had been signed. Each stage is a command of
its own, started by a process that stays small, so that its peak memory is its own too. Of `duplicates` the rows are
compared, by their digest.

    python -m tests.bench.exchange 125000 --tasks 5
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.contracts import contract
from curate.manifest import sign
from curate.ops.digest import rows_digest
from curate.store import MadeFrom, Store
from tests.bench.duplicates import COPIES, corpus_part, zipf_groups

PART = 10_000
STAGES = ("cells", "keys", "links", "plan", "bundles", "duplicates")


def main(samples: int = 20_000, tasks: int = 5) -> None:
    """Print a row a stage of both ways, and whether the result is the same."""
    print("                     s  CPU s    MiB   written MB   parts")
    with tempfile.TemporaryDirectory() as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "cut"
        subprocess.run([sys.executable, "-m", "tests.bench.exchange", str(samples), "--write", str(whole)], check=True)
        shutil.copytree(whole, cut, copy_function=os.link)
        print("in memory")
        _run(whole, 2 * samples)
        print(f"{tasks} times as many as are held at once")
        _run(cut, -(-samples // tasks))
        told = [_rows(out) for out in (whole, cut)]
    same = "the same rows" if rows_digest(told[0]) == rows_digest(told[1]) else "OTHER ROWS"
    print(f"{len(told[0]):,} duplicates in memory, {len(told[1]):,} exchanged: {same}")


def write(out: Path, samples: int) -> None:
    """Write a run that is signed and has nothing of a benchmark in it."""
    store, rng = Store(str(out)), np.random.default_rng(samples)
    groups = np.concatenate([np.arange(samples - int(samples * COPIES)), zipf_groups(rng, samples)])
    order = rng.permutation(samples)
    for start in range(0, samples, PART):
        name = f"{start // PART:05}"
        made = corpus_part(groups, order[start : start + PART])
        told: dict[str, Any] = {name: made[name] for name in made.column_names}
        told |= {"shard": [name] * len(made), "status": ["ok"] * len(made)}
        _write(store, "signatures", name, contract("signatures").table(told))
        _write(store, "contamination", name, contract("contamination").empty())
    for dataset in ("signatures", "contamination"):
        data = store.dataset(dataset)
        sign(data, data.footers(), {"settings": {}}, {"seconds": 0})


def _write(store: Store, dataset: str, part: str, table: pa.Table) -> None:
    store.dataset(dataset).write(part, table, MadeFrom(dataset, 1, {}, part))


def _run(out: Path, in_memory: int) -> None:
    """Run the stages, in processes of their own, and tell what each took."""
    run = out.with_suffix(".toml")
    run.write_text(
        f'out = "{out}"\n[corpus]\npath = "{out}/none/*.tar"\n[signatures]\nembedding = "detector"\n'
        f"[duplicates]\nin_memory = {in_memory}\n"
    )
    for stage in STAGES:
        began = time.perf_counter()
        command = [sys.executable, "-m", "curate", "run", str(run), "--stage", stage]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0, f"{stage}: exit status {status}"
        parts = list((out / stage).glob("*.parquet"))
        if parts:
            size = sum(part.stat().st_size for part in parts) / 1e6
            cpu, memory = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
            print(
                f"  {stage:12} {time.perf_counter() - began:7.0f} {cpu:6.0f} {memory:6.0f} {size:12.1f} {len(parts):7}"
            )


def _rows(out: Path) -> pa.Table:
    told = Store(str(out)).dataset("duplicates").read_all()
    return told.sort_by([("shard", "ascending"), ("key", "ascending")])


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="what the exchange takes, and whether it decides the same")
    asked.add_argument("samples", type=int, nargs="?", default=20_000)
    asked.add_argument(
        "--tasks", type=int, default=5, help="how many times more samples there are than are held at once"
    )
    asked.add_argument("--write", type=Path, help="only write the corpus, there")
    given = asked.parse_args()
    if given.write:
        write(given.write, given.samples)
    else:
        main(given.samples, given.tasks)
