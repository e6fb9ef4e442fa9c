"""Views of the benchmarks: their images signed by the corpus' own code, seen in every way an edit may have left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.contracts import contract
from curate.detector.pixels import squash
from curate.ops.alignment import mirrored, portrait
from curate.ops.evidence import decoded
from curate.ops.hashing import phash256
from curate.ops.local import codes
from curate.ops.quality import clear
from curate.ops.views import TURNS, Box, benchmark_regions, cut, embedded_views, hashed, preview, thumbnail
from curate.sources import Sample
from curate.stages.signatures import SignaturesSettings, Signer, encoded, grey

VERSION = 7
_ENLARGED = 2
"""Decoded so much larger than a corpus image that a crop to a third of the area has the pixels that are looked at."""

Row = dict[str, Any]


def make(settings: SignaturesSettings) -> Callable[[str, str, Iterable[Sample]], pa.Table]:
    """Give `look(benchmark, shard, samples)` -> a table of contract `views`; an unreadable image has one row."""
    signer = Signer(settings)

    def look(benchmark: str, shard: str, samples: Iterable[Sample]) -> pa.Table:
        tables = [contract("views").empty()]
        for sample in samples:
            rows = _rows(signer, sample, settings.min_contrast)
            same = {"benchmark": benchmark, "shard": shard, "key": sample.key, "label": sample.label}
            columns: dict[str, list[Any]] = {name: [value] * len(rows) for name, value in same.items()}
            columns |= {name: [row.get(name) for row in rows] for name in _COLUMNS}
            tables.append(contract("views").table(columns))
        return pa.concat_tables(tables).combine_chunks()

    return look


_COLUMNS = [c.name for c in contract("views").columns if c.name not in ("benchmark", "shard", "key", "label")]


def _rows(signer: Signer, sample: Sample, min_contrast: float) -> list[Row]:
    facts, pixels = signer.open(sample, _ENLARGED)
    same = {name: facts[name] for name in ("status", "message", "sha256")}
    if pixels is None:
        return [{**same, "view": "none"}]
    dark = grey(pixels)
    found: dict[str, Row] = {}
    for rows in (_hashed(dark, facts, min_contrast), _embedded(signer, pixels, facts)):
        for name, row in rows.items():
            found.setdefault(name, {**same, "view": name}).update(row)
    found["whole"]["preview"] = shown = encoded(preview(dark))
    upright = portrait(decoded(shown))
    for name, seen in (("whole", upright), ("whole+mirror", mirrored(upright))):
        found[name]["details"] = codes(seen.features).tobytes()
    return list(found.values())


def _hashed(dark: NDArray[np.uint8], facts: Row, min_contrast: float) -> dict[str, Row]:
    """Every region in every turn, with its hash, unless it is blank; the upright ones with their thumbnails."""
    regions = benchmark_regions(facts["width"], facts["height"])
    upright = hashed(dark, squash(dark), regions)
    names = [(region, turn) for region in regions for turn in TURNS]
    seen = np.stack([turn.apply(region) for region in upright for turn in TURNS.values()])
    shows = clear(seen, min_contrast).tolist()
    return {
        region + turn: {
            **_place(regions[region]),
            "hash256": long.tobytes() if good else None,
            "thumbnail": None if turn else thumbnail(np.ascontiguousarray(view)).tobytes(),
        }
        for (region, turn), view, long, good in zip(names, seen, phash256(seen), shows, strict=True)
    }


def _embedded(signer: Signer, pixels: NDArray[np.uint8], facts: Row) -> dict[str, Row]:
    if signer.embed is None:
        return {}
    views = list(embedded_views(facts["width"], facts["height"]))
    parts = [np.ascontiguousarray(turn.apply(cut(pixels, box))) for _, box, turn in views]
    vectors = signer.embed([signer.embed.prepare(part) for part in parts])
    return {name: {**_place(box), "embedding": vector} for (name, box, _), vector in zip(views, vectors, strict=True)}


def _place(box: Box) -> Row:
    return {"left": box.left, "top": box.top, "across": box.width, "down": box.height}
