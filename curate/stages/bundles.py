"""Bundles: the samples that are linked to others, with what `duplicates` needs of them; what one task decides together.

A part of signatures is read once, for all tasks, and a task reads its own rows alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from curate.contracts import contract

VERSION = 1


class Numbered(NamedTuple):
    """A part of signatures, or some columns of it, and its number among those of all runs."""

    source: int
    rows: pa.Table


def find(planned: pa.Table, parts: Iterable[Numbered]) -> pa.Table:
    """Take the rows that contract `plan` names from these parts -> contract `bundles`, sorted."""
    taken = [contract("bundles").empty()]
    for source, rows in parts:
        mine = planned.filter(pc.equal(planned["source"], source))
        found = rows.take(mine["row"])
        columns = {name: found[name] for name in found.column_names}
        taken.append(contract("bundles").table({name: mine[name] for name in mine.column_names} | columns))
    return pa.concat_tables(taken).sort_by([(name, "ascending") for name in ("task", "source", "row")])
