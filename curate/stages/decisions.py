"""Decisions: one row for every input sample, keep or drop, with the first rule that drops it and its evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from curate.config import Settings
from curate.contracts import contract
from curate.stages.contamination import changed

VERSION = 3
FACTS = ["width", "height", "contrast", "sharpness", "entropy", "one_colour"]
COLUMNS = ["shard", "key", "url", "status", "message", *FACTS]


class DecisionsSettings(Settings):
    """Which samples may stay by their quality facts; each limit is off as it stands here."""

    min_side: int = Field(0, ge=0, description="least shorter side, px")
    min_contrast: float = Field(0, ge=0, description="least standard deviation of grey levels")
    min_sharpness: float = Field(0, ge=0, description="least variance of the Laplacian")
    min_entropy: float = Field(0, ge=0, le=8, description="least entropy of the grey histogram, bit")
    max_one_colour: float = Field(1, ge=0, le=1, description="largest share of one of 16 grey levels")


def quality_faults(settings: DecisionsSettings, signatures: pa.Table) -> list[tuple[str, float, float] | None]:
    """The first limit that each sample breaks, as (what, value, limit); None where none is broken or no fact known."""
    shorter = pc.min_element_wise(signatures["width"], signatures["height"], skip_nulls=False)
    limits: list[tuple[str, Any, float, int]] = [("shorter side", shorter, settings.min_side, 1)]
    limits += [(f, signatures[f], getattr(settings, f"min_{f}"), 1) for f in ("contrast", "sharpness", "entropy")]
    limits += [("one_colour", signatures["one_colour"], settings.max_one_colour, -1)]
    faults: list[tuple[str, float, float] | None] = [None] * signatures.num_rows
    for what, column, limit, sign in limits:
        values = column.cast(pa.float64()).to_numpy()
        for row in np.flatnonzero(sign * values < sign * limit).tolist():  # NaN, where there is no fact, is not below
            faults[row] = faults[row] or (what, float(values[row]), float(limit))
    return faults


def may_stay(settings: DecisionsSettings, signatures: pa.Table, contamination: pa.Table) -> NDArray[np.bool_]:
    """Which samples of a part can be kept, duplicates aside: readable, good enough, and showing no benchmark image."""
    shown = pc.is_in(signatures["key"], value_set=contamination["key"].combine_chunks())
    stays: NDArray[np.bool_] = pc.and_(pc.equal(signatures["status"], "ok"), pc.invert(shown)).to_numpy()
    stays = stays & np.array([fault is None for fault in quality_faults(settings, signatures)], bool)
    return stays


def decide(
    settings: DecisionsSettings, signatures: pa.Table, contamination: pa.Table, duplicates: pa.Table
) -> pa.Table:
    """Decide on one part: its signatures, matches, duplicates -> contract `decisions`, in the signatures' order.

    Rules in order: status, quality, contamination, duplicate; the first that applies is the one named.
    """
    matches: dict[str, dict[str, Any]] = {}
    for match in contamination.to_pylist():  # the best match of a sample comes first
        matches.setdefault(match["key"], match)
    copies = {row["key"]: row for row in duplicates.to_pylist()}
    faults = quality_faults(settings, signatures)
    samples = signatures.select(["shard", "key", "url", "status", "message"]).to_pylist()
    rows = []
    for sample, fault in zip(samples, faults, strict=True):
        verdict = _verdict(sample, fault, matches.get(sample["key"]), copies.get(sample["key"]))
        same = {name: sample[name] for name in ("shard", "key", "url", "status")}
        rows.append({**same, "decision": "keep" if verdict["rule"] == "none" else "drop", **verdict})
    schema = contract("decisions").schema
    return pa.Table.from_pylist(rows, schema=schema)


def _verdict(
    sample: dict[str, Any],
    fault: tuple[str, float, float] | None,
    match: dict[str, Any] | None,
    copy: dict[str, Any] | None,
) -> dict[str, Any]:
    if sample["status"] != "ok":
        return {"rule": "status", "detail": sample["message"]}
    if fault:
        what, value, limit = fault
        return {"rule": "quality", "detail": what, "score": value, "threshold": limit}
    if match:
        return {
            "rule": "contamination",
            "detail": ", ".join(filter(None, [f"{match['kind']} {match['view']}", changed(match)])),
            "benchmark": match["benchmark"],
            "match_shard": match["benchmark_shard"],
            "match_key": match["benchmark_key"],
            "score": float(match["score"]),
            "threshold": float(match["threshold"]),
        }
    if copy:
        keeper = {f"match_{name}": copy[f"keeper_{name}"] for name in ("run", "shard", "key")}
        measure = {"score": float(copy["score"]), "threshold": float(copy["threshold"])}
        return {"rule": "duplicate", "detail": f"{copy['kind']}, by {copy['verified_by']}", **keeper, **measure}
    return {"rule": "none"}
