"""Contracts name every fault with its place, and what is generated from them is up to date."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from curate.contracts import SCHEMAS, Column, Contract, contract, contracts, markdown, statuses
from curate.errors import ContractError

PETS = Contract(
    "pets",
    3,
    "One row a pet.",
    (
        Column("name", pa.string(), "what it answers to"),
        Column("kind", pa.string(), "what it is", values=("cat", "dog")),
        Column("age", pa.int32(), "how old", null=True, unit="year"),
    ),
    ("name",),
)
GOOD = PETS.table({"name": ["Tom", "Rex"], "kind": ["cat", "dog"], "age": [3, None]})


def faults(table: pa.Table) -> tuple[str, ...]:
    with pytest.raises(ContractError) as caught:
        PETS.check(table, "runs/x/pets/0")
    assert str(caught.value).startswith("runs/x/pets/0: ")
    return caught.value.faults


def test_good_and_empty_tables_pass_unchanged() -> None:
    assert PETS.check(GOOD, "here") is GOOD
    assert PETS.check(PETS.empty(), "here").num_rows == 0


def test_all_faults_of_shape_at_once() -> None:
    table = pa.table({"name": ["Tom"], "age": pa.array([3], pa.int64()), "colour": ["red"]})
    assert faults(table) == (
        "column `kind` (string) is missing",
        "column `colour` is not in the contract pets v3",
        "column `age` is int64, want int32",
    )


def test_all_faults_of_content_at_once_with_their_first_row() -> None:
    table = PETS.table({"name": ["Tom", None, "Tom", None], "kind": ["cat", "dog", "cow", "cat"]})
    assert faults(table) == (
        "column `name` is null in 2 row(s), first in row 1",
        "column `kind` holds 'cow' in row 2, not in its closed list",
        "2 value(s) of (name) stand more than once, first name='Tom'",
    )


def test_place_is_right_across_chunks() -> None:
    chunks = pa.concat_tables([GOOD, PETS.table({"name": ["Kim"], "kind": ["emu"]})])
    assert faults(chunks) == ("column `kind` holds 'emu' in row 2, not in its closed list",)


def test_order_and_repeated_columns() -> None:
    assert faults(GOOD.select(["kind", "name", "age"])) == ("columns stand as kind, name, age; want name, kind, age",)
    assert faults(GOOD.append_column("age", GOOD["age"])) == ("column `age` stands more than once",)


def test_some_columns_are_held_to_their_part_of_the_contract() -> None:
    some = PETS.only(["kind"])
    assert some.check(GOOD.select(["kind"]), "here").num_rows == 2
    with pytest.raises(ContractError, match="holds 'cow' in row 0"):
        some.check(pa.table({"kind": ["cow"]}), "here")


@pytest.mark.parametrize("name", sorted(contracts()))
def test_every_contract_is_sound(name: str) -> None:
    told = contract(name)
    names = [c.name for c in told.columns]
    assert told.version >= 1
    assert told.meaning
    assert all(c.meaning for c in told.columns)
    assert len(set(names)) == len(names)
    assert told.unique
    assert set(told.unique) <= set(names)
    assert told.check(told.empty(), name).num_rows == 0


@pytest.mark.parametrize("name", sorted(contracts()))
def test_every_contract_refuses_a_null_where_none_may_be(name: str) -> None:
    told = contract(name)
    table = pa.Table.from_arrays([pa.nulls(1, c.type) for c in told.columns], [c.name for c in told.columns])
    with pytest.raises(ContractError) as caught:
        told.check(table, name)
    assert len(caught.value.faults) == sum(not c.null for c in told.columns)


def test_statuses_are_words_with_a_place_and_a_meaning() -> None:
    assert next(iter(statuses())) == "ok"
    assert {s.where for s in statuses().values()} == {"any", "shards", "signatures"}
    assert all(s.meaning and s.name.replace("_", "").isalnum() for s in statuses().values())
    assert statuses()["http_429"].retry
    assert not statuses()["http_404"].retry


def test_schemas_readme_is_what_the_contracts_say() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "curate.contracts"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert shown == markdown()
    assert (SCHEMAS / "README.md").read_text("utf-8") == shown, "run `make docs`"
    for name, told in contracts().items():
        assert f"## {name}\n" in shown
        assert all(f"| `{c.name}` |" in shown for c in told.columns)
    assert all(f"| `{name}` |" in shown for name in statuses())
