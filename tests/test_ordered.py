"""Rows of sorted parts, value by value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from curate import store as stores
from curate.ops.parquet import Where
from curate.steps.ordered import Ordered
from curate.store import Dataset, MadeFrom, Store
from tests.pictures import rows

MADE_FROM = MadeFrom("duplicates", 1, {}, "abc")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Three parts, in row groups of four: of shard 00 no row to shard 09 nine; of two shards one; empty."""
    monkeypatch.setattr(stores, "ROW_GROUP", 4)
    made = Store(str(tmp_path)).dataset("duplicates")
    many = [(f"{shard:02}", f"{row}") for shard in range(10) for row in range(shard)]
    for part, told in (("a", many), ("b", [("03", "b"), ("08", "b")]), ("c", [])):
        full = [{"shard": shard, "key": key, "kind": "near", "verified_by": "bytes"} for shard, key in told]
        made.write(part, rows("duplicates", *full), MADE_FROM)
    return made


@pytest.mark.parametrize("asked", [range(12), reversed(range(12)), (9, 0, 9, 3, 7, 3)])
def test_the_rows_of_a_value_are_found_whatever_was_asked_before(data: Dataset, asked: Any) -> None:
    ordered, whole = Ordered(data, "shard"), data.read_all()
    for number in asked:
        assert ordered.rows(f"{number:02}").equals(whole.filter(pc.equal(whole["shard"], f"{number:02}"))), number


def test_whoever_asks_in_order_reads_little_and_holds_less(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def told(self: Dataset, part: str, columns: Any = None, where: Where | None = None) -> pa.Table:
        read.append(len(found := told_before(self, part, columns, where)))
        return found

    told_before = Dataset.read
    monkeypatch.setattr(Dataset, "read", told)
    ordered = Ordered(data, "shard")
    assert sum(len(ordered.rows(f"{number:02}")) for number in range(10)) == 47
    assert sum(read) < 2 * 47
    assert max(read) < 47 / 2
