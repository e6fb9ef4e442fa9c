"""Proof: the clean shards, signed and searched again from disk, hold what was kept, and nothing that was to go."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.contracts import contract
from curate.errors import CurateError

VERSION = 1
_NAMED = 5
"""Pairs and samples that an error names."""


def proved(index: pa.Table, signed: pa.Table, found: pa.Table) -> pa.Table:
    """Contract `proof` of one clean shard; CurateError where it is not what was kept, or shows a benchmark image.

    `index`: `key` and `sha256` of contract `clean`; `signed`: its samples' signatures, of contract `signatures`;
    `found`: what these match, of contract `contamination`, less what does not count.
    """
    shard = signed["shard"][0].as_py() if len(signed) else ""
    lost = index.join(signed.select(["key", "sha256"]), ["key", "sha256"], join_type="left anti")
    bad = signed.filter(pc.not_equal(signed["status"], "ok"))
    if len(lost) or len(bad) or len(signed) != len(index):
        odd = [*lost["key"].to_pylist(), *bad["key"].to_pylist()]
        raise CurateError(
            f"clean shard {shard}: {len(index):,} samples were kept and {len(signed):,} are there; lost or changed: "
            f"{', '.join(odd[:_NAMED]) or 'none'}. Run again with --replace to emit it again."
        )
    if len(found):
        pairs = [f"`{row['key']}` shows {_image(row)}" for row in found.slice(0, _NAMED).to_pylist()]
        more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
        raise CurateError(f"clean shard {shard} is not clean: {'; '.join(pairs)}{more}")
    return contract("proof").table({name: signed[name] for name in ("shard", "key", "sha256")})


def _image(row: dict[str, Any]) -> str:
    return f"{row['benchmark']} {row['benchmark_shard']}:{row['benchmark_key']} ({row['score']:.3f})"
