"""Parquet read on one thread: the rows asked for, and a process that ends as it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curate.ops import parquet
from curate.ops.parquet import Where


@pytest.fixture
def sorted_file(tmp_path: Path) -> tuple[Path, pa.Table]:
    spans = np.sort(np.random.default_rng(0).integers(0, 40, 1000))
    table = pa.table({"span": spans, "row": np.arange(1000), "key": [str(i) for i in range(1000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=64)
    return tmp_path / "a.parquet", table


@pytest.mark.parametrize("value", [0, 7, 39, 40, -1])
@pytest.mark.parametrize("columns", [None, ["key"], ["row", "span"]])
def test_rows_of_a_value(sorted_file: tuple[Path, pa.Table], value: int, columns: list[str] | None) -> None:
    path, table = sorted_file
    wanted = table.filter(pc.equal(table["span"], value))
    with path.open("rb") as file:
        assert parquet.read(file, columns, Where("span", value, value)).equals(
            wanted.select(columns or table.column_names)
        )


def test_row_groups_that_cannot_hold_the_value_stay_unread(sorted_file: tuple[Path, pa.Table]) -> None:
    path, table = sorted_file
    rows = np.flatnonzero(table["span"].to_numpy() == 7)
    read = parquet._groups(pq.read_metadata(path), Where("span", 7, 7))
    assert read == list(range(rows[0] // 64, rows[-1] // 64 + 1))
    assert len(read) < 3


def test_rows_of_a_range_of_values(sorted_file: tuple[Path, pa.Table]) -> None:
    path, table = sorted_file
    told = table["span"].to_numpy()
    wanted = table.filter(pa.array((told >= 7) & (told <= 9)))
    assert parquet.read(path, where=Where("span", 7, 9)).equals(wanted)


def test_row_groups_are_cut_where_asked_and_their_ranges_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"name": ["a"] * 5 + ["b"] + ["c"] * 2, "span": [1, 1, 1, 2, 2, 2, 2, 3]})
    for cut, span, name in (
        ("", [(1, 1), (2, 2), (2, 3)], [("a", "a"), ("a", "b"), ("c", "c")]),
        ("span", [(1, 1), (2, 2), (2, 2), (3, 3)], [("a", "a"), ("a", "b"), ("c", "c"), ("c", "c")]),
    ):
        with path.open("wb") as file:
            parquet.write(table, file, 3, cut)
        assert parquet.read(path).equals(table)
        assert (parquet.ranges(path, "span"), parquet.ranges(path, "name")) == (span, name)


@pytest.mark.parametrize("cut", ["", "span"])
def test_no_rows_have_no_ranges(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "a.parquet"
    with path.open("wb") as file:
        parquet.write(pa.table({"span": pa.array([], pa.int32())}), file, 3, cut)
    assert parquet.read(path).num_rows == 0
    assert parquet.ranges(path, "span") == []


def test_without_statistics_every_row_group_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"span": [1, 2, 3, 2]}), path, row_group_size=1, write_statistics=False)
    assert parquet.read(path, where=Where("span", 2, 2)).num_rows == 2


def test_a_process_that_read_ends_well(sorted_file: tuple[Path, pa.Table]) -> None:
    """Of processes that read twelve files by threads, about one in six aborts at its end."""
    code = (
        "import sys\nfrom curate.ops import parquet\n"
        "for _ in range(12):\n    with open(sys.argv[1], 'rb') as file:\n        parquet.read(file)\n"
    )
    for _ in range(8):
        assert subprocess.run([sys.executable, "-c", code, str(sorted_file[0])], timeout=60).returncode == 0
