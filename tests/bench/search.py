"""Search: the engines against FAISS's bare flat index over the same vectors and bits, in one run, on one core.

A tenth of the queries are references with noise, so that there is something to find; all must find the same. Then the
products alone, by type: torch multiplies float32 on a processor because of what this says of it; where another type
is much faster, that is worth another look.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from curate.ops.search import CosineIndex, HammingIndex

QUERIES, REFERENCES, DIMS, ROUNDS = 2000, 50_000, 256, 3
LEAST, RADIUS = 0.9, 56
ENGINES = ("faiss", "torch")


def main() -> None:
    """Print seconds and ratios of each engine, and of the products alone."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            _compare()
    finally:
        torch.set_num_threads(threads)


def _compare() -> None:
    rng = np.random.default_rng(0)
    references = rng.standard_normal((REFERENCES, DIMS), np.float32)
    queries = rng.standard_normal((QUERIES, DIMS), np.float32)
    queries[::10] = references[: QUERIES // 10] + 0.2 * queries[::10]
    references, queries = _units(references), _units(queries)
    bits, asked = (np.packbits(vectors > 0, axis=1) for vectors in (references, queries))
    core = os.environ.get("OPENBLAS_CORETYPE", "not set")
    print(f"{QUERIES} queries in {REFERENCES} references, one core, seconds of CPU; OPENBLAS_CORETYPE {core}")
    flat, binary = faiss.IndexFlatIP(DIMS), faiss.IndexBinaryFlat(DIMS)
    flat.add(references)
    binary.add(bits)
    cosine = {name: CosineIndex(references, name) for name in ENGINES}
    hamming = {name: HammingIndex(bits, name) for name in ENGINES}

    print(f"cosine >= {LEAST}, {DIMS} dimensions")
    ways = {f"engine {name}": partial(index.within, queries, LEAST) for name, index in cosine.items()}
    _same(_table({"bare FAISS flat index": partial(flat.range_search, queries, LEAST), **ways}))
    print(f"{DIMS} bits, {RADIUS} differ at the most")
    near = {f"engine {name}": partial(index.within, asked, RADIUS) for name, index in hamming.items()}
    _same(_table({"bare FAISS flat index": partial(binary.range_search, asked, RADIUS + 1), **near}))
    _products(queries[:256], references[:8192])


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units


def _same(found: list[Any]) -> None:
    """All found the same pairs: FAISS's (ends, scores, references), and pairs."""
    bare, *others = found
    want = sorted(
        zip(np.repeat(np.arange(QUERIES), np.diff(bare[0].astype(int))).tolist(), bare[2].tolist(), strict=True)
    )
    assert all(want == list(zip(pairs.query.tolist(), pairs.reference.tolist(), strict=True)) for pairs in others)
    print(f"  {len(want)} pairs, the same each time")


def _products(queries: NDArray[np.float32], references: NDArray[np.float32]) -> None:
    """Products alone, of matrices of each type."""
    print(f"products alone by torch on the processor, {len(queries)} x {len(references)}")
    a, b = torch.from_numpy(queries), torch.from_numpy(references).t()
    ways: dict[str, Callable[[], Any]] = {}
    for kind in ("float32", "bfloat16", "float16"):
        ways[kind] = partial(torch.mm, a.to(getattr(torch, kind)), b.to(getattr(torch, kind)))
    ways["int8"] = partial(torch._int_mm, (a * 127).to(torch.int8), (b * 127).to(torch.int8))
    _table(ways)


def _table(ways: dict[str, Callable[[], Any]]) -> list[Any]:
    """Print medians, and how often faster than the first; give what each gave."""
    given = [way() for way in ways.values()]
    rounds = [[_seconds(way) for way in ways.values()] for _ in range(ROUNDS)]
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    for name, seconds in zip(ways, medians, strict=True):
        print(f"  {name:24}{seconds:8.3f} s{medians[0] / seconds:8.2f}")
    return given


def _seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()  # of one thread, and what else runs does not count
    work()
    return time.process_time() - began


if __name__ == "__main__":
    main()
