"""The keeper's promise over pictures and their edited copies, as they are signed: whatever the order and the parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from curate.demo.photos import cuts
from curate.ops.columns import vectors
from curate.stages.duplicates import COLUMNS, DuplicatesSettings, find
from tests.pictures import encode, sign, textured
from tests.stages.test_exchange import exchanged

LIMITS = DuplicatesSettings(overlaid="drop")
EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "same": lambda p: p,
    "small": lambda p: p.resize((p.width // 2, p.height // 2)),
    "mirrored": ImageOps.mirror,
    "cut": lambda p: p.crop((24, 16, p.width - 16, p.height - 24)),
    "framed": lambda p: ImageOps.expand(p, 12, "white"),
    "light": lambda p: p.point(lambda v: min(255, v * 5 // 4)),
}


@cache
def pool() -> pa.Table:
    """Four drawings and four photographs, each in six edits and twice re-encoded, signed with their descriptors."""
    originals = {kind: Image.fromarray(textured(kind)) for kind in ("city", "reef", "table", "flowers")}
    originals |= {f"photo {i}": cut.image.convert("RGB") for i, cut in enumerate(cuts("benchmark")) if i % 2 == 0}
    pictures = {
        f"{name}-{edit}-{quality}": encode(change(original), "JPEG", quality=quality)
        for name, original in originals.items()
        for edit, change in EDITS.items()
        for quality in (60, 90)
    }
    return sign(pictures, embedding="detector").select(COLUMNS)


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_promise_two_over_pictures(data: st.DataObject) -> None:
    """Each dropped one has a kept one for it, by what it says; none of those kept is one's copy; the order, and in how
    many tasks it was decided, mean nothing.
    """
    count = pool().num_rows
    chosen = data.draw(st.lists(st.integers(0, count - 1), unique=True, max_size=16))
    table = pool().take(pa.array(chosen, pa.int64()))
    made = find(LIMITS, table)
    rows: list[dict[str, Any]] = made.to_pylist()
    dropped = {row["key"] for row in rows}
    for row in rows:
        assert row["keeper_key"] not in dropped
        assert row["score"] >= row["threshold"]
        assert row["keeper_key"].partition("-")[0] == row["key"].partition("-")[0]
    stays = table.filter(pa.array([key not in dropped for key in table["key"].to_pylist()], pa.bool_()))
    assert find(LIMITS, stays).num_rows == 0
    order = np.array(data.draw(st.permutations(range(len(chosen)))), np.int64)
    shuffled = table.take(pa.array(order))
    assert find(LIMITS, shuffled).equals(made)
    cut = data.draw(st.integers(0, len(chosen)))
    parts = [shuffled.slice(0, cut), shuffled.slice(cut)]
    centre = np.zeros((1, vectors(pool()["embedding"])[1].shape[1]), np.int8)
    assert exchanged(LIMITS.model_copy(update={"in_memory": 2}), parts, centre, 1, 3)[0].equals(made)
