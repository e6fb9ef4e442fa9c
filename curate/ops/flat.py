"""Who may be near whom: every pair compared, by FAISS on the processor, by FAISS on GPUs, or by torch on either.

An engine takes references (R, B) uint8, whose bits are compared, or (R, D) float32 of unit length. Its `near(queries,
limit)` gives rows of queries and rows of references, each (P,) int64: all pairs within `limit` (bits: at the most;
cosine: at the least) and, of vectors, a few that are not. Its `top(queries, k)` gives the nearest of vectors, about.
`curate.ops.search` has the last word on each.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Near = tuple[NDArray[np.int64], NDArray[np.int64]]
Top = tuple[NDArray[np.float32], NDArray[np.int64], float]
"""Products (Q, K), the largest first, with these references (Q, K); how far off a product can be at the most."""
BLOCK = {"cpu": 1 << 24, "cuda": 1 << 26}
"""Most values that torch computes at a time: 64 and 256 MiB of float32."""
CACHED = 1 << 19
"""Bytes of hashes that FAISS compares at a time with all queries: a core's cache holds them. 600 queries in 1,002,500
hashes take 1.05 s of one core then; at once, when each query reads all from memory, 1.6 to 1.8 s."""
MOST = 2048
"""Most neighbours of a query that FAISS finds on a GPU."""


class Engine(Protocol):
    """What finds the pairs."""

    def near(self, queries: NDArray[Any], limit: float) -> Near:
        """All pairs within the limit, in any order."""

    def top(self, queries: NDArray[np.float32], k: int) -> Top:
        """The k references, of which there are at least so many, with the largest products."""


def engine(name: str, references: NDArray[Any]) -> Engine:
    """Build the engine of that name; `auto` is torch where there is a GPU for it, else FAISS, else torch."""
    if name == "auto":
        name = "torch" if _torch_has_gpu() or find_spec("faiss") is None else "faiss"
    if name not in _ENGINES:
        raise ValueError(f"there is no engine {name!r} to search with; choose auto, {', '.join(_ENGINES)}")
    return _ENGINES[name](references)


def slack(dims: int) -> float:
    """How far off a float32 product of unit vectors of `dims` dimensions can be.

    A sum of D products, rounded to nearest, is off by D * 2^-24 at the most (the sum of |q_i r_i| is 1 at the most); a
    tensor core cuts off instead, so four times that. 8 more for the rounding of the unit vectors and of the limit.
    """
    return (dims + 8) * 2.0**-22


class Faiss:
    """FAISS's flat indexes, on the processor: one of all vectors, several of bits."""

    def __init__(self, references: NDArray[Any]) -> None:
        self._bits = references.dtype == np.uint8
        self._step = CACHED // references.shape[1] if self._bits else max(1, len(references))
        starts = range(0, max(1, len(references)), self._step)
        self._indexes = [_index(references[start : start + self._step]) for start in starts]

    def near(self, queries: NDArray[Any], limit: float) -> Near:
        """All pairs within the limit. FAISS takes distances below, products above what it is told, never equal."""
        told = int(limit) + 1 if self._bits else limit - slack(queries.shape[1])
        near: list[Near] = []
        for number, index in enumerate(self._indexes):
            ends, _, found = index.range_search(queries, told)
            query = np.repeat(np.arange(len(queries)), np.diff(ends.astype(np.int64)))
            near.append((query, found + number * self._step))
        return _joined(near)

    def top(self, queries: NDArray[np.float32], k: int) -> Top:
        """The k references with the largest products."""
        products, found = self._indexes[0].search(queries, k)
        return products, found, slack(queries.shape[1])


class FaissGpu:
    """FAISS's flat indexes on all GPUs. These only know the K nearest, so K grows until the last is beyond the limit;
    a query with more than 2,048 near, the most that they can give, is asked again on the processor.
    """

    def __init__(self, references: NDArray[Any]) -> None:
        import faiss

        if not getattr(faiss, "get_num_gpus", int)():
            raise ValueError("engine 'faiss-gpu': the installed faiss sees no GPU; choose torch, which runs on any")
        self._cpu = Faiss(references)
        self._gpu: Any = faiss.index_cpu_to_all_gpus(_index(references))
        self._bits, self._count = references.dtype == np.uint8, len(references)

    def near(self, queries: NDArray[Any], limit: float) -> Near:
        """All pairs within the limit."""
        left, k, found = np.arange(len(queries)), min(64, self._count), []
        while True:
            scores, references = self._gpu.search(queries[left], k)
            inside = scores <= limit if self._bits else scores >= limit - slack(queries.shape[1])
            more = inside[:, -1] & (k < self._count)
            query, rank = np.nonzero(inside & ~more[:, None])
            found.append((left[query], references[query, rank]))
            left = left[more]
            if not len(left) or k == MOST:
                break
            k = min(8 * k, self._count, MOST)
        if len(left):
            query, reference = self._cpu.near(queries[left], limit)
            found.append((left[query], reference))
        return _joined(found)

    def top(self, queries: NDArray[np.float32], k: int) -> Top:
        """The k references with the largest products."""
        if k > MOST:
            return self._cpu.top(queries, k)
        products, found = self._gpu.search(queries, k)
        return products, found, slack(queries.shape[1])


class Torch:
    """Products of matrices, block by block: of float16 on a GPU, whose tensor cores multiply it; else of float32.

    Rounding unit vectors q and r to p and s moves their product by |qr - ps| <= |q - p| |r| + |p| |r - s|. These
    distances are measured: float16 rounds by 2^-11, so the limit falls by 0.001 at the most (bfloat16 is as fast, and
    rounds by 2^-8). Bits count as -1 and +1, which both types hold: a product is the whole number
    (bits - 2 * distance), and exact.
    """

    def __init__(self, references: NDArray[Any], half: bool | None = None) -> None:
        """`half`: multiply float16; without it, only on a GPU."""
        import torch

        self._torch = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._half = self._device == "cuda" if half is None else half
        self._references, self._error = self._stored(references)

    def near(self, queries: NDArray[Any], limit: float) -> Near:
        """All pairs within the limit. At most BLOCK products, and BLOCK bits as floats, are in memory at a time."""
        width = queries.shape[1]
        stored, error = self._stored(queries)
        least = 8 * width - 2 * limit if queries.dtype == np.uint8 else limit - self._off(width, error)
        left = self._factors(stored)
        step = max(1, BLOCK[self._device] // max(len(queries), 8 * width))
        found: list[Near] = []
        for start in range(0, len(self._references), step):
            right = self._factors(self._references[start : start + step])
            inside = (self._product(left, right) >= least).flatten()
            # numpy is the faster on the processor; from a GPU only what was found should travel
            flat = inside.nonzero()[:, 0].cpu().numpy() if inside.is_cuda else np.flatnonzero(inside.numpy())
            query, reference = np.divmod(flat, len(right))
            found.append((query, reference + start))
        return _joined(found)

    def top(self, queries: NDArray[np.float32], k: int) -> Top:
        """The k references with the largest products. At most BLOCK products, or twice k a query, are in memory."""
        torch = self._torch
        left, error = self._stored(queries)
        step = max(k, BLOCK[self._device] // max(1, len(queries)))
        best = torch.empty((len(queries), 0), device=self._device)
        rows = torch.empty((len(queries), 0), dtype=torch.int64, device=self._device)
        for start in range(0, len(self._references), step):
            products = self._product(left, self._references[start : start + step])
            largest, at = products.topk(min(k, products.shape[1]), dim=1)
            both, numbers = torch.cat([best, largest], dim=1), torch.cat([rows, at + start], dim=1)
            best, kept = both.topk(min(k, both.shape[1]), dim=1)
            rows = numbers.gather(1, kept)
        return best.cpu().numpy(), rows.cpu().numpy(), self._off(queries.shape[1], error)

    def _off(self, width: int, error: float) -> float:
        """How far off a product can be, of queries that rounding moved by `error`."""
        return slack(width) + error + (1 + error) * self._error

    def _stored(self, vectors: NDArray[Any]) -> tuple[Any, float]:
        """What is kept of vectors (bits as they are, floats rounded), and how far at most a vector is from that."""
        torch, rows = self._torch, 1 << 16
        if vectors.dtype == np.uint8 or not self._half:
            return torch.tensor(vectors, device=self._device), 0.0
        stored = torch.empty(vectors.shape, dtype=torch.float16, device=self._device)
        error = 0.0
        for start in range(0, len(vectors), rows):
            exact = torch.tensor(vectors[start : start + rows], device=self._device)
            rounded = stored[start : start + rows].copy_(exact)
            error = max(error, float((exact - rounded.float()).norm(dim=1).max()))
        return stored, error

    def _factors(self, stored: Any) -> Any:
        """Stored vectors as they are multiplied: (N, D) floats, or (N, B) bytes as (N, 8 * B) of -1 and +1."""
        torch = self._torch
        if stored.dtype != torch.uint8:
            return stored
        bits = stored.unsqueeze(2) >> torch.arange(8, dtype=torch.uint8, device=self._device) & 1
        return bits.flatten(1).to(torch.float16 if self._half else torch.float32) * 2 - 1

    def _product(self, left: Any, right: Any) -> Any:
        """All products of rows, summed and given in float32: (N, D) and (R, D) -> (N, R)."""
        if left.is_cuda and self._half:
            return self._torch.mm(left, right.t(), out_dtype=self._torch.float32)
        return left.float() @ right.float().t()  # no processor here multiplies halves any faster


def _index(references: NDArray[Any]) -> Any:
    """A flat index of FAISS."""
    import faiss

    width = references.shape[1]
    index = faiss.IndexBinaryFlat(8 * width) if references.dtype == np.uint8 else faiss.IndexFlatIP(width)
    index.add(references)
    return index


def _joined(found: list[Near]) -> Near:
    return np.concatenate([q for q, _ in found]), np.concatenate([r for _, r in found])


def _torch_has_gpu() -> bool:
    """Torch takes seconds to import: ask it only where there is a driver."""
    if find_spec("torch") is None:
        return False
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    import torch

    return bool(torch.cuda.is_available())


_ENGINES: dict[str, Callable[[NDArray[Any]], Engine]] = {"faiss": Faiss, "faiss-gpu": FaissGpu, "torch": Torch}
