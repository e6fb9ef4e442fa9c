"""Cells: the same whatever the order of the corpus, and what they miss is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curate.contracts import contract
from curate.ops import partition
from curate.stages.cells import COLUMNS, centre_of, find
from curate.stages.duplicates import DuplicatesSettings
from tests.pictures import rows

LIMITS = DuplicatesSettings(probes=1, min_cosine=0.9)


def corpus(count: int) -> pa.Table:
    """Descriptors about four axes; every tenth sample has none, every seventh is there twice."""
    rng = np.random.default_rng(0)
    made: list[dict[str, Any]] = []
    for number in range(count):
        near = np.eye(4)[number % 4] + rng.normal(0, 0.1, 4)
        facts = {"sha256": rng.bytes(32), "embedding": None if number % 10 == 9 else near.astype(np.float16).tolist()}
        made += [facts] * (2 if number % 7 == 0 else 1)
    return rows("signatures", *made).select(COLUMNS)


@pytest.fixture(autouse=True)
def four_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "ONE_CELL", 10)
    monkeypatch.setattr(partition, "_CELLS", 0.4)


def test_cells_do_not_depend_on_the_order_of_the_corpus() -> None:
    told = corpus(100)
    made = contract("cells").check(find(LIMITS, [told], 100), "cells")
    centre = centre_of(made)
    assert centre is not None
    assert sorted(np.abs(centre).argmax(axis=1).tolist()) == [0, 1, 2, 3]
    shuffled = told.take(pa.array(np.random.default_rng(1).permutation(len(told))))
    assert find(LIMITS, [shuffled.slice(0, 7), shuffled.slice(7)], 100).equals(made)


def test_pairs_across_a_border_are_counted_as_missed_until_more_cells_are_asked() -> None:
    between = [[1, 1 + tilt / 20, 0, 0] for tilt in range(-9, 10)]
    told = pa.concat_tables([corpus(100), *(_one(i, vector) for i, vector in enumerate(between))])
    made = find(LIMITS, [told], 100)
    missed = sum(made["missed"].to_pylist())
    assert 0 < missed < sum(made["pairs"].to_pylist())
    assert sum(find(LIMITS.model_copy(update={"probes": 4}), [told], 100)["missed"].to_pylist()) == 0


def _one(number: int, vector: list[float]) -> pa.Table:
    told = {"sha256": bytes([number]) * 32, "embedding": np.array(vector, np.float16).tolist()}
    return rows("signatures", told).select(COLUMNS)


def test_no_descriptor_no_cell() -> None:
    assert find(LIMITS, [], 0).num_rows == 0
    assert centre_of(find(LIMITS, [_one(0, [1, 0]).slice(0, 0)], 0)) is None
