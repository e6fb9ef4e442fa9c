"""Data contracts: what each dataset's columns are, read from `schemas/*.toml` and checked on every write and read."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ContractError

_INSTALLED = Path(__file__).parent / "schemas"
SCHEMAS = _INSTALLED if _INSTALLED.exists() else Path(__file__).parent.parent / "schemas"

_TYPES = {
    "string": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "binary": pa.binary(),
    "list<float16>": pa.list_(pa.field("element", pa.float16())),  # the name that Parquet gives it
}


@dataclass(frozen=True)
class Status:
    """One word of the closed list of what can become of a sample."""

    name: str
    where: str
    meaning: str
    retry: bool = False


@dataclass(frozen=True)
class Column:
    """One column of a contract; `values` is its closed list, empty when open."""

    name: str
    type: pa.DataType
    meaning: str
    null: bool = False
    unit: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """What a dataset's parts hold: columns in order, a version, and the columns that together are unique."""

    name: str
    version: int
    meaning: str
    columns: tuple[Column, ...]
    unique: tuple[str, ...]
    cut: str = ""
    """The column, sorted, by which parts are read: rows of one value stand in row groups of their own."""

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, c.type, nullable=c.null) for c in self.columns])

    def table(self, rows: dict[str, Any]) -> pa.Table:
        """Build a table from columns of Python values or arrays; columns left out are null."""
        length = len(next(iter(rows.values())))
        arrays = [_array(rows.get(c.name), c.type, length) for c in self.columns]
        return pa.Table.from_arrays(arrays, schema=self.schema)

    def empty(self) -> pa.Table:
        return self.schema.empty_table()

    def only(self, names: Sequence[str]) -> Contract:
        """The contract of some of the columns, in the order given; what is unique among all may stand twice."""
        columns = {c.name: c for c in self.columns}
        return replace(self, columns=tuple(columns[name] for name in names), unique=())

    def check(self, table: pa.Table, where: str) -> pa.Table:
        """Return `table` when it holds to the contract; else raise ContractError with every fault and its place."""
        faults = self._shape_faults(table)
        if not faults:
            faults = [fault for c in self.columns for fault in _column_faults(c, table[c.name])]
            faults += self._unique_faults(table)
        if faults:
            raise ContractError(where, faults)
        return table

    def _shape_faults(self, table: pa.Table) -> list[str]:
        have = {f.name: f.type for f in table.schema}
        twice = [f"column `{n}` stands more than once" for n in have if len(table.schema.get_all_field_indices(n)) > 1]
        want = {c.name: c.type for c in self.columns}
        faults = twice + [f"column `{n}` ({t}) is missing" for n, t in want.items() if n not in have]
        faults += [f"column `{n}` is not in the contract {self.name} v{self.version}" for n in have if n not in want]
        faults += [f"column `{n}` is {have[n]}, want {t}" for n, t in want.items() if n in have and have[n] != t]
        if not faults and list(have) != list(want):
            faults.append(f"columns stand as {', '.join(have)}; want {', '.join(want)}")
        return faults

    def _unique_faults(self, table: pa.Table) -> list[str]:
        if not self.unique:
            return []
        counts = table.group_by(list(self.unique)).aggregate([([], "count_all")])
        twice = counts.filter(pc.greater(counts["count_all"], 1))
        if not twice.num_rows:
            return []
        first = ", ".join(f"{name}={twice[name][0].as_py()!r}" for name in self.unique)
        return [f"{twice.num_rows} value(s) of ({', '.join(self.unique)}) stand more than once, first {first}"]


def _array(values: Any, kind: pa.DataType, length: int) -> pa.Array:
    if values is None:
        return pa.nulls(length, kind)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values if values.type == kind else values.cast(kind)
    return pa.array(values, kind)


def _column_faults(column: Column, data: pa.ChunkedArray) -> list[str]:
    faults = []
    if not column.null and data.null_count:
        row = pc.index(pc.is_null(data), True).as_py()
        faults.append(f"column `{column.name}` is null in {data.null_count} row(s), first in row {row}")
    if column.values:
        known = pc.is_in(data, value_set=pa.array(column.values, column.type), skip_nulls=True)
        wrong = pc.and_(pc.invert(known), pc.is_valid(data))
        row = pc.index(wrong, True).as_py()
        if row >= 0:
            faults.append(f"column `{column.name}` holds {data[row].as_py()!r} in row {row}, not in its closed list")
    return faults


@cache
def statuses() -> dict[str, Status]:
    """The closed list of `schemas/statuses.toml`, in its order."""
    read = tomllib.loads((SCHEMAS / "statuses.toml").read_text("utf-8"))
    return {name: Status(name=name, **fields) for name, fields in read.items()}


@cache
def contract(name: str) -> Contract:
    """The contract of dataset `name`, from `schemas/NAME.toml`."""
    read = tomllib.loads((SCHEMAS / f"{name}.toml").read_text("utf-8"))
    columns = tuple(_column(column, fields) for column, fields in read["columns"].items())
    return Contract(name, read["version"], read["meaning"], columns, tuple(read.get("unique", ())), read.get("cut", ""))


def contracts() -> dict[str, Contract]:
    """All contracts, by name."""
    names = sorted(path.stem for path in SCHEMAS.glob("*.toml") if path.stem != "statuses")
    return {name: contract(name) for name in names}


def _column(name: str, fields: dict[str, Any]) -> Column:
    values = fields.get("values", ())
    closed = tuple(statuses()) if values == "statuses" else tuple(values)
    rest = {k: v for k, v in fields.items() if k not in ("type", "values")}
    return Column(name=name, type=_type(fields["type"]), values=closed, **rest)


def _type(text: str) -> pa.DataType:
    fixed = re.fullmatch(r"binary\[(\d+)\]", text)
    return pa.binary(int(fixed[1])) if fixed else _TYPES[text]


def markdown() -> str:
    """All contracts and the closed list of statuses as Markdown: the content of `schemas/README.md`."""
    return "\n".join([_PREFACE, *map(_contract_lines, contracts().values()), _STATUS_HEAD, *_status_lines()]) + "\n"


_PREFACE = """# Data contracts

Written by `make docs` from the TOML files here; do not edit. Every part of a dataset is held against its contract
when it is written and when it is read. Columns are not null unless said so.
"""

_STATUS_HEAD = """## Statuses

What can become of a sample. `status` columns hold these words and no others.

| status | given by | asked again | meaning |
|---|---|---|---|"""


def _contract_lines(told: Contract) -> str:
    unique = ", ".join(f"`{name}`" for name in told.unique)
    rows = "\n".join(f"| {' | '.join(_cells(c))} |" for c in told.columns)
    return (
        f"## {told.name}\n\n{told.meaning}\n\nVersion {told.version}. Unique: {unique}.\n\n"
        f"| column | type | null | unit | meaning |\n|---|---|---|---|---|\n{rows}\n"
    )


def _cells(column: Column) -> Iterator[str]:
    meaning = column.meaning
    if column.values == tuple(statuses()):
        meaning += " (one of the statuses below)"
    elif column.values:
        meaning += f" (one of {', '.join(f'`{value}`' for value in column.values)})"
    names = {kind: name for name, kind in _TYPES.items()}
    kind = names.get(column.type) or f"binary[{column.type.byte_width}]"
    yield from (f"`{column.name}`", kind, "yes" if column.null else "", column.unit, meaning)


def _status_lines() -> Iterator[str]:
    for status in statuses().values():
        yield f"| `{status.name}` | {status.where} | {'yes' if status.retry else ''} | {status.meaning} |"


if __name__ == "__main__":
    sys.stdout.write(markdown())
