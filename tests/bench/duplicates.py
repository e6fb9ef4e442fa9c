"""Duplicates at corpus size: seconds, peak memory and what is found, and how they grow with the number of samples.

A corpus is made up: a fifth of its samples are copies of others, in groups of Zipf sizes. Copies have hashes with up to
a tenth of the bits turned, descriptors at a cosine of .88 to .995 and thumbnails with noise, as real ones have; what
is not a copy has neighbours of its own cluster. Each size is made in one process, then read and decided in another, on
all cores; this one stays small, since a process begins with the peak memory of the one that started it. How it grows is
told by the seconds of CPU, since other work on the machine must not count.

    python -m tests.bench.duplicates 125000 500000
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.contracts import contract
from curate.ops.columns import vectors
from curate.ops.partition import cell_count, centres, sample_size, whole
from curate.stages.duplicates import COLUMNS, DuplicatesSettings, find

SIZES = (125_000, 250_000)
COPIES, DIMS, CLUSTERS, PART = 0.2, 256, 1000, 50_000
Floats = NDArray[np.float32]


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """Print a row a size, and the exponents between the first and the last."""
    print("samples      s  CPU s   MiB   found of planted   wrong   (in 1 million: 900 s, 8,192 MiB, 99 %, 0)")
    told = []
    for samples in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _process("--write", folder, str(samples))
            told.append(_process("--decide", folder))
        one = told[-1]
        print(
            f"{samples:7,} {one['s']:6.0f} {one['CPU s']:6.0f} {one['MiB']:5.0f} {one['found']:18.2%} {one['wrong']:7}"
        )
    if len(sizes) > 1:
        grown = np.log(sizes[-1] / sizes[0])
        for name, most in (("CPU s", 1.2), ("MiB", 1.0)):
            exponent = np.log(told[-1][name] / told[0][name]) / grown
            print(f"{name:5} grows as samples ^ {exponent:.2f}   (to hold: {most})")


def write(folder: Path, samples: int) -> None:
    """Write parts of signatures; a sample's caption is the number of its group."""
    rng = np.random.default_rng(samples)
    group = np.concatenate([np.arange(samples - int(samples * COPIES)), zipf_groups(rng, samples)])
    order = rng.permutation(samples)
    for start in range(0, samples, PART):
        pq.write_table(corpus_part(group, order[start : start + PART]), folder / f"{start:09}.parquet")


def zipf_groups(rng: np.random.Generator, samples: int) -> NDArray[np.int64]:
    """The group of each copy: one of a twentieth of the originals, the n-th of them 1/n as often as the first."""
    ranks = np.arange(1, samples // 20 + 1)
    chance = 1 / ranks / (1 / ranks).sum()
    return rng.choice(len(ranks), int(samples * COPIES), p=chance)


def corpus_part(group: NDArray[np.int64], numbers: NDArray[np.int64]) -> pa.Table:
    """The rows of these numbers. Each original is drawn from its own seed, so that its copies find it again."""
    rng = np.random.default_rng(numbers)
    own = group[numbers]
    edited = (numbers != own)[:, None]  # the original of group g has number g
    hashes, vectors_, thumbnails = _originals(own)
    flips = rng.random((len(own), 256)) < rng.uniform(0, 0.1, (len(own), 1))
    cosine = rng.uniform(0.88, 0.995, (len(own), 1)).astype(np.float32)
    noise = _units(rng.standard_normal(vectors_.shape, np.float32))
    near = _units(cosine * vectors_ + np.sqrt(1 - cosine**2) * noise)
    seen = np.clip(thumbnails + rng.normal(0, 5, thumbnails.shape), 0, 255).astype(np.uint8)
    columns: dict[str, Any] = {
        "shard": ["s"] * len(own),
        "key": [f"{number:09}" for number in numbers],
        "caption": [str(number) for number in own],
        "sha256": pa.array([number.tobytes().ljust(32) for number in numbers], pa.binary(32)),
        "width": rng.integers(200, 2000, len(own)),
        "height": [100] * len(own),
        "hash256_whole": _fixed(hashes ^ np.packbits(flips & edited, axis=1)),
        "thumbnail": _fixed(np.where(edited, seen, thumbnails)),
        "embedding": _lists(np.where(edited, near, vectors_).astype(np.float16)),
    }
    schema = pa.schema([contract("signatures").schema.field(name) for name in COLUMNS])
    return pa.Table.from_arrays([_column(columns.get(f.name), f.type, len(own)) for f in schema], schema.names)


def _originals(numbers: NDArray[np.int64]) -> tuple[NDArray[np.uint8], Floats, NDArray[np.uint8]]:
    """Hashes, descriptors and thumbnails of originals: a cluster's centre and what is their own, in 64 dimensions."""
    spread = np.random.default_rng(0).standard_normal((64, DIMS), np.float32)
    means = np.random.default_rng(1).standard_normal((CLUSTERS, 64), np.float32)
    hashes, inner = np.empty((len(numbers), 32), np.uint8), np.empty((len(numbers), 64), np.float32)
    coarse = np.empty((len(numbers), 64), np.uint8)
    for i, number in enumerate(numbers.tolist()):
        rng = np.random.default_rng(number)
        hashes[i], inner[i] = rng.integers(0, 256, 32, np.uint8), rng.standard_normal(64, np.float32)
        coarse[i] = rng.integers(20, 236, 64, np.uint8)
    inner += 0.8 * means[numbers % CLUSTERS]
    thumbnails = coarse.reshape(-1, 8, 8).repeat(4, axis=1).repeat(4, axis=2).reshape(-1, 1024)
    return hashes, _units(inner @ spread), thumbnails


def _units(values: NDArray[Any]) -> Floats:
    units: Floats = values / np.linalg.norm(values, axis=1, keepdims=True)
    return units


def _fixed(values: NDArray[np.uint8]) -> pa.Array:
    flat = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.binary(values.shape[1]), len(values), [None, flat])


def _lists(values: NDArray[np.float16]) -> pa.Array:
    ends = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(values.reshape(-1)))


def _column(values: Any, kind: pa.DataType, rows: int) -> pa.Array:
    if values is None:
        return pa.nulls(rows, kind)
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)


def _process(*words: str) -> dict[str, Any]:
    """Do a part of the work in a process of its own: what it says, its seconds of CPU, and its peak memory."""
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.duplicates", *words], stdout=subprocess.PIPE)
    assert process.stdout
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"exit status {status}"
    return {**json.loads(said or "{}"), "CPU s": usage.ru_utime + usage.ru_stime, "MiB": usage.ru_maxrss / 1024}


def _decide(folder: Path) -> None:
    """Decide the parts in a folder; print seconds and what was found as JSON."""
    began = time.perf_counter()
    table = pq.ParquetDataset(folder).read()
    cells = cell_count(table.num_rows)
    taken = np.random.default_rng(0).choice(table.num_rows, sample_size(table.num_rows), replace=False)
    sample = whole(vectors(table["embedding"].take(pa.array(np.sort(taken))))[1])
    made = find(DuplicatesSettings(), table, centre=centres(sample, cells))
    seconds = time.perf_counter() - began
    groups = dict(zip(table["key"].to_pylist(), table["caption"].to_pylist(), strict=True))
    pairs = zip(made["key"].to_pylist(), made["keeper_key"].to_pylist(), strict=True)
    right = sum(groups[copy] == groups[keeper] for copy, keeper in pairs)
    planted = table.num_rows - pc.count_distinct(table["caption"]).as_py()
    print(json.dumps({"s": seconds, "found": right / planted, "wrong": made.num_rows - right}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(Path(sys.argv[2]), int(sys.argv[3]))
    elif sys.argv[1:2] == ["--decide"]:
        _decide(Path(sys.argv[2]))
    else:
        main(tuple(map(int, sys.argv[1:])) or SIZES)
