"""Cells: the partition of the descriptors, found on a sample of the corpus that does not depend on its order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.contracts import contract
from curate.ops.columns import matrix, vectors
from curate.ops.partition import Cells, Whole, cell_count, centres, sample_size, whole
from curate.ops.search import CosineIndex
from curate.stages.duplicates import DuplicatesSettings

VERSION = 2
COLUMNS = ["sha256", "embedding"]
_ASKING = 2000
"""Rows of the sample whose near ones are looked for everywhere, to count those that the cells miss."""


def find(settings: DuplicatesSettings, parts: Iterable[pa.Table], rows: int, semantic: float | None = None) -> pa.Table:
    """Find the cells of a corpus of so many `rows`, given as parts of columns `COLUMNS` -> contract `cells`.

    `semantic` is the cosine that `semantic_share` led to, kept beside them.
    """
    taken = _sample(parts, sample_size(rows))
    _, given = vectors(taken["embedding"])
    centre = centres(whole(given), cell_count(rows)) if len(given) else np.zeros((0, 0), np.int8)
    pairs, missed = _missed(settings, given, centre)
    lengths = np.arange(len(centre) + 1, dtype=np.int32) * centre.shape[1]
    columns: dict[str, Any] = {
        "cell": np.arange(len(centre)),
        "centre": pa.ListArray.from_arrays(pa.array(lengths), pa.array(centre.astype(np.float16).reshape(-1))),
        "pairs": pairs,
        "missed": missed,
        "semantic": pa.array([semantic] * len(centre), pa.float32()),
    }
    return contract("cells").table(columns)


def semantic_of(cells: pa.Table) -> float | None:
    """The cosine that `semantic_share` led to, in a table of contract `cells`; None where none was asked for."""
    found: float | None = cells["semantic"][0].as_py() if len(cells) else None
    return found


def centre_of(cells: pa.Table) -> Whole | None:
    """The centres that a table of contract `cells` holds, (C, D); None where it holds none."""
    return vectors(cells["centre"])[1].astype(np.int8) if len(cells) else None


def _sample(parts: Iterable[pa.Table], size: int) -> pa.Table:
    """The rows of the smallest digests, each digest once, of those that have an embedding."""
    schema = contract("signatures").schema
    taken = pa.schema([schema.field(name) for name in COLUMNS]).empty_table()
    for part in parts:
        told = pa.concat_tables([taken, part.filter(pc.is_valid(part["embedding"]))])
        digests = np.ascontiguousarray(matrix(told["sha256"])).view("V32").reshape(-1)
        _, first = np.unique(digests, return_index=True)
        taken = told.take(pa.array(first[:size])).combine_chunks()
    return taken


def _missed(
    settings: DuplicatesSettings, given: NDArray[np.float16], centre: Whole
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Near pairs of the sample by the cell of one, and how many of these the other does not ask: (C,) and (C,)."""
    if len(centre) < 2:
        return np.zeros(len(centre), np.int64), np.zeros(len(centre), np.int64)
    asked = Cells(centre, settings.probes).asked(whole(given))
    found = CosineIndex(given, "faiss").within(given[:_ASKING], settings.least_cosine)
    other = found.query != found.reference
    home = asked[found.reference[other], 0]
    lost = (asked[found.query[other]] != home[:, None]).all(axis=1)
    return np.bincount(home, minlength=len(centre)), np.bincount(home[lost], minlength=len(centre))
