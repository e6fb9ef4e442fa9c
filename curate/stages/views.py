"""Views of the benchmarks: their images signed by the corpus' own code, seen in every way an edit may have left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from curate.contracts import contract
from curate.ops.hashing import phash256
from curate.ops.quality import contrast
from curate.ops.views import thumbnail, turned
from curate.sources import Sample
from curate.stages.signatures import SignaturesSettings, Signer

VERSION = 1


def make(settings: SignaturesSettings) -> Callable[[str, str, Iterable[Sample]], pa.Table]:
    """Give `look(benchmark, shard, samples)` -> a table of contract `views`; an unreadable image has one row."""
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
    row = signed.row
    if signed.views is None:
        return {**{name: [row[name]] for name in ("status", "message", "sha256")}, "view": ["none"]}
    names, views = zip(*turned(signed.views, row["width"] == row["height"]), strict=True)
    seen = np.stack(views)
    clear = contrast(seen) >= min_contrast
    return {
        "status": ["ok"] * len(names),
        "sha256": [row["sha256"]] * len(names),
        "view": list(names),
        "hash256": [h.tobytes() if c else None for h, c in zip(phash256(seen), clear.tolist(), strict=True)],
        "thumbnail": [thumbnail(v).tobytes() for v in views],
    }
