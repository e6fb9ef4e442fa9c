"""Contamination: which corpus samples show an image of a benchmark, which image, seen how, how near."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from curate.config import Settings
from curate.contracts import contract
from curate.ops.columns import matrix, present
from curate.ops.search import HammingIndex
from curate.ops.verify import similarity, square_of

VERSION = 1
CORPUS_COLUMNS = ["shard", "key", "sha256", "width", "height", "hash256_whole", "hash256_square", "thumbnail"]


class ContaminationSettings(Settings):
    """When a corpus sample counts as showing a benchmark image."""

    radius: int = Field(
        56, ge=0, le=128, description="largest Hamming distance of 256-bit hashes that is searched, bit"
    )
    min_similarity: float = Field(0.8, ge=-1, le=1, description="least correlation of the aligned thumbnails")


class Match(NamedTuple):
    """One verified pair: a row of the corpus part, a row of the benchmark's views."""

    row: int
    seen: int
    kind: str
    view: str
    distance: int
    similarity: float


def make(settings: ContaminationSettings, views: pa.Table) -> Callable[[pa.Table], pa.Table]:
    """Load the benchmarks' views into an index, once a worker: `match(signatures)` -> contract `contamination`."""
    benchmark = _Benchmark(views)

    def match(signatures: pa.Table) -> pa.Table:
        found = _byte_equal(signatures, benchmark) + _near(signatures, benchmark, settings)
        return _table(signatures, benchmark, _best(found, benchmark), settings)

    return match


class _Benchmark:
    """The views of all benchmarks: those with a hash in an index, those of known bytes in a dictionary."""

    def __init__(self, views: pa.Table) -> None:
        self.names = views.select(["benchmark", "shard", "key"]).to_pydict()
        self.views = views["view"].to_pylist()
        self.by_bytes: dict[bytes, list[int]] = {}
        images = list(zip(*self.names.values(), strict=True))
        seen: dict[tuple[str, ...], int] = {}
        self.image = [seen.setdefault(image, len(seen)) for image in images]
        for row, digest in enumerate(views["sha256"].to_pylist()):
            if digest is not None and self.views[row] in ("whole", "none"):
                self.by_bytes.setdefault(digest, []).append(row)
        self.rows, hashes = present(views["hash256"])
        self.index = HammingIndex(hashes)
        self.thumbnails = matrix(views["thumbnail"])


def _byte_equal(signatures: pa.Table, benchmark: _Benchmark) -> list[Match]:
    return [
        Match(row, seen, "byte_equal", "whole~whole", 0, 1.0)
        for row, digest in enumerate(signatures["sha256"].to_pylist())
        for seen in benchmark.by_bytes.get(digest, ())
    ]


def _near(signatures: pa.Table, benchmark: _Benchmark, settings: ContaminationSettings) -> list[Match]:
    """Search both corpus views in all benchmark views; keep the candidates whose thumbnails agree."""
    thumbnails = matrix(signatures["thumbnail"])
    sizes = list(zip(signatures["width"].to_pylist(), signatures["height"].to_pylist(), strict=True))
    found: list[Match] = []
    for region in ("whole", "square"):
        rows, hashes = present(signatures[f"hash256_{region}"])
        pairs = benchmark.index.within(hashes, settings.radius)
        if not len(pairs.query):
            continue
        corpus, seen = rows[pairs.query], benchmark.rows[pairs.reference]
        aligned = {
            r: thumbnails[r] if region == "whole" else square_of(thumbnails[r], *sizes[r]) for r in set(corpus.tolist())
        }
        alike = similarity(np.stack([aligned[r] for r in corpus.tolist()]), benchmark.thumbnails[seen])
        for i in np.flatnonzero(alike >= settings.min_similarity).tolist():
            view = f"{region}~{benchmark.views[seen[i]]}"
            found.append(Match(int(corpus[i]), int(seen[i]), "near", view, int(pairs.distance[i]), float(alike[i])))
    return found


def _best(found: list[Match], benchmark: _Benchmark) -> list[Match]:
    """One match a pair of images: bytes before hashes, then the nearest, the most alike, the plainest views."""
    best: dict[tuple[int, int], Match] = {}
    for match in sorted(found, key=lambda m: (m.kind, m.distance, -m.similarity)):  # found plainest first, and stable
        best.setdefault((match.row, benchmark.image[match.seen]), match)
    return sorted(best.values(), key=lambda m: (m.row, m.kind, m.distance, -m.similarity, benchmark.image[m.seen]))


def _table(
    signatures: pa.Table, benchmark: _Benchmark, found: list[Match], settings: ContaminationSettings
) -> pa.Table:
    rows = pa.array([m.row for m in found], pa.int64())
    columns: dict[str, Any] = {name: signatures[name].take(rows) for name in ("shard", "key")}
    for column, name in (("benchmark", "benchmark"), ("benchmark_shard", "shard"), ("benchmark_key", "key")):
        columns[column] = [benchmark.names[name][m.seen] for m in found]
    columns |= {name: [getattr(m, name) for m in found] for name in ("kind", "view", "distance", "similarity")}
    columns["threshold"] = [settings.radius] * len(found)
    return contract("contamination").table(columns)
