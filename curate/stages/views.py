"""Views of the benchmarks: their images signed by the corpus' own code, seen in every way that an edit may have left."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from curate.contracts import contract
from curate.ops.hashing import phash256
from curate.ops.images import Fault
from curate.ops.views import thumbnail, turned
from curate.sources import Sample
from curate.stages.signatures import SignaturesSettings, Signer, grey

VERSION = 1


def make(settings: SignaturesSettings) -> Callable[[str, str, Iterable[Sample]], pa.Table]:
    """Give `look(benchmark, shard, samples)` -> a table of contract `views`; an unreadable image has one row that says so."""
    signer = Signer(settings)

    def look(benchmark: str, shard: str, samples: Iterable[Sample]) -> pa.Table:
        tables = [contract("views").empty()]
        for sample in samples:
            rows = _rows(signer, sample, settings.min_contrast)
            count = len(rows["view"])
            same = {"benchmark": benchmark, "shard": shard, "key": sample.key, "label": sample.label}
            tables.append(contract("views").table({**{k: [v] * count for k, v in same.items()}, **rows}))
        return pa.concat_tables(tables).combine_chunks()

    return look


def _rows(signer: Signer, sample: Sample, min_contrast: float) -> dict[str, list[Any]]:
    signed = signer.look(sample)
    sha256 = hashlib.sha256(signed.data).digest() if signed.data else None
    if isinstance(signed.seen, Fault):
        return {"status": [signed.seen.status], "message": [signed.seen.message], "sha256": [sha256], "view": ["none"]}
    names, views = zip(*turned(grey(signed.seen.pixels)), strict=True)
    hashes = phash256(np.stack(views))
    clear = [v.std() >= min_contrast for v in views]
    return {
        "status": ["ok"] * len(names),
        "sha256": [sha256] * len(names),
        "view": list(names),
        "hash256": [h.tobytes() if c else None for h, c in zip(hashes, clear, strict=True)],
        "thumbnail": [thumbnail(v).tobytes() for v in views],
    }
