"""Parts: whole or absent, signed for, refused when foreign or damaged; the same on a disk and on an object store."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.errors import ContractError, CurateError, DigestError
from curate.ops.digest import rows_digest
from curate.store import Dataset, MadeFrom, Store, digest_of
from tests.pictures import rows

MADE_FROM = MadeFrom("urls", 1, {"count": 3}, "abc")
TABLE = rows("urls", *({"key": f"k{i}", "url": f"http://x/{i}", "caption": "c" * i or None} for i in range(9)))


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return Store(str(tmp_path / "run"))
    return Store(f"{request.getfixturevalue('s3')}/{tmp_path.name}/run")


@pytest.fixture
def local(tmp_path: Path) -> Dataset:
    data = Store(str(tmp_path / "run")).dataset("urls")
    data.write("0", TABLE, MADE_FROM)
    return data


# -- the digest of rows ------------------------------------------------------------------------------------------


def _no_minus_zero(value: float) -> float:
    """Arrow calls -0 and 0 equal; their bytes, and so their digests, are two."""
    return value + 0.0


COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "string": (pa.string(), st.text(max_size=3)),
    "int32": (pa.int32(), st.integers(-5, 5)),
    "uint64": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "float32": (pa.float32(), st.floats(width=32, allow_nan=False).map(_no_minus_zero)),
    "bool": (pa.bool_(), st.booleans()),
    "bytes": (pa.binary(), st.binary(max_size=3)),
    "fixed": (pa.binary(2), st.binary(min_size=2, max_size=2)),
    "list": (pa.list_(pa.float16()), st.lists(st.floats(width=16, allow_nan=False).map(_no_minus_zero), max_size=2)),
}


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    count = draw(st.integers(1, 5))
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=3, unique=True))
    return {n: draw(st.lists(st.none() | COLUMNS[n][1], min_size=count, max_size=count)) for n in names}


def table(columns: dict[str, list[Any]]) -> pa.Table:
    return pa.table({name: pa.array(values, COLUMNS[name][0]) for name, values in columns.items()})


@given(tables(), st.data())
def test_rows_digest_does_not_see_chunks_slices_or_buffers(columns: dict[str, list[Any]], data: st.DataObject) -> None:
    whole = table(columns)
    cut = data.draw(st.integers(0, whole.num_rows))
    chunked = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    padded = pa.concat_tables([whole, whole, whole]).combine_chunks().slice(whole.num_rows, whole.num_rows)
    assert rows_digest(whole) == rows_digest(chunked) == rows_digest(padded) == rows_digest(chunked.combine_chunks())
    every = {n: pc_all_valid(whole[n].combine_chunks()) for n in columns}
    assert rows_digest(pa.table(every)) == rows_digest(whole)


def pc_all_valid(array: pa.Array) -> pa.Array:
    """The same array with a validity buffer, where it had none because nothing is null."""
    if array.null_count or pa.types.is_list(array.type):
        return array
    return pa.Array.from_buffers(array.type, len(array), [pa.py_buffer(b"\xff" * 8), *array.buffers()[1:]])


@given(tables(), st.data())
def test_rows_digest_sees_every_value_their_order_and_their_names(
    columns: dict[str, list[Any]], data: st.DataObject
) -> None:
    before = rows_digest(table(columns))
    name = data.draw(st.sampled_from(sorted(columns)))
    row = data.draw(st.integers(0, len(columns[name]) - 1))
    other = data.draw(st.none() | COLUMNS[name][1])
    changed = {**columns, name: [*columns[name][:row], other, *columns[name][row + 1 :]]}
    same = pa.array(changed[name], COLUMNS[name][0]).equals(pa.array(columns[name], COLUMNS[name][0]))
    if not same:
        assert rows_digest(table(changed)) != before
    turned = table({n: v[::-1] for n, v in columns.items()})
    assert (rows_digest(turned) == before) == turned.equals(table(columns))
    assert rows_digest(table(columns).rename_columns([f"x{n}" for n in columns])) != before
    assert rows_digest(table(columns).slice(1)) != before


def test_rows_digest_tells_null_from_empty_and_one_cut_from_another() -> None:
    cases = [[None], [""], ["ab", "c"], ["a", "bc"], ["abc"], [], [None, ""], ["", None]]
    assert len({rows_digest(pa.table({"a": pa.array(c, pa.string())})) for c in cases}) == len(cases)
    lists = [[None], [[]], [[1], [2]], [[1, 2], []], [[], [1, 2]], [[None]], [[float("nan")]]]
    assert len({rows_digest(pa.table({"a": pa.array(c, pa.list_(pa.float32()))})) for c in lists}) == len(lists)


def test_rows_digest_is_golden_and_blind_to_blocks() -> None:
    wide = pa.table({"a": np.arange(200_000, dtype=np.int32)})
    assert rows_digest(wide) == rows_digest(pa.concat_tables([wide.slice(0, 70_001), wide.slice(70_001)]))
    assert rows_digest(TABLE) == "d7c7866abd36023d5ef4113f6e19938dedfcdb56c1741ca9083f644e9b2bd9d9"


def test_digest_of_does_not_see_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1}) != digest_of({"a": 1, "b": [3]})


# -- parts on any store ------------------------------------------------------------------------------------------


def test_a_part_reads_back_as_it_was_written(store: Store) -> None:
    data = store.dataset("urls")
    assert (data.parts(), data.read_all().num_rows, data.footers()) == ([], 0, {})
    footer = data.write("0", TABLE, MADE_FROM, facts={"model": "m"})
    data.write("1", TABLE.slice(3).combine_chunks(), MADE_FROM)
    assert data.parts() == ["0", "1"]
    assert data.read("0").equals(TABLE)
    assert data.footer("0") == footer == data.footers()["0"]
    assert (footer.rows, footer.count, footer.recipe) == (rows_digest(TABLE), 9, MADE_FROM.recipe)
    assert data.read_all(["key"])["key"].to_pylist() == [f"k{i}" for i in [*range(9), *range(3, 9)]]
    assert data.verify("0") == data.verify("1") == []
    data.delete("0")
    data.delete("0")
    assert data.parts() == ["1"]


def test_another_process_sees_what_was_written_since(store: Store) -> None:
    """Object stores' clients remember listings; ours must not, since Ray's workers write too."""
    data = store.dataset("urls")
    data.write("0", TABLE, MADE_FROM)
    assert data.parts() == ["0"]
    script = f"""if True:
        from tests.test_store import *
        Store({store.url()!r}).dataset("urls").write("1", TABLE.slice(1), MADE_FROM)
        Store({store.url()!r}).dataset("urls").write("0", TABLE.slice(2), MADE_FROM)
    """
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert data.parts() == ["0", "1"]
    assert data.read("0").num_rows == 7
    assert data.verify("0") == data.verify("1") == []


def test_a_tar_beside_its_part(store: Store) -> None:
    data = store.dataset("clean")
    with data.tar("0") as tar:
        tar.write(b"abc")
        tar.write(b"def")
        assert data.parts() == []
    footer = data.write("0", data.contract.empty(), MADE_FROM, tar.hexdigest())
    assert footer.tar == hashlib.sha256(b"abcdef").hexdigest()
    assert data.verify("0") == []
    with store.draft(data.path("0", "tar")) as file:
        file.write(b"abcdeX")
    assert data.verify("0") == [f"{data.path('0', 'tar')}: not the bytes that were written"]
    store.delete("clean", "0.tar")
    assert data.verify("0") == [f"{data.path('0', 'tar')}: not the bytes that were written"]


def test_an_exception_in_the_block_leaves_nothing(store: Store) -> None:
    store.write_bytes(b"old", "file")
    with suppress(RuntimeError), store.draft(store.path("file")) as file:
        file.write(b"new")
        raise RuntimeError
    assert store.fs.cat_file(store.path("file")) == b"old"
    assert [path.rpartition("/")[2] for path in store.fs.ls(store.root, detail=False)] == ["file"]
    with store.draft(store.path("file")) as file:
        file.write(b"new")
    assert store.fs.cat_file(store.path("file")) == b"new"


def test_json_files(store: Store) -> None:
    assert store.read_json("a", "b.json") is None
    store.write_json({"x": [1]}, "a", "b.json")
    assert store.read_json("a", "b.json") == {"x": [1]}
    store.write_bytes(b"{", "a", "b.json")
    with pytest.raises(DigestError, match="not JSON"):
        store.read_json("a", "b.json")


def test_a_table_that_breaks_its_contract_is_not_written(store: Store) -> None:
    data = store.dataset("urls")
    with pytest.raises(ContractError, match="stand more than once"):
        data.write("0", pa.concat_tables([TABLE, TABLE]), MADE_FROM)
    assert data.parts() == []


# -- damage ------------------------------------------------------------------------------------------------------


def test_files_that_are_no_part_of_ours_are_refused_by_name(local: Dataset) -> None:
    path = Path(local.path("0"))
    whole = path.read_bytes()
    pq.write_table(TABLE, path)
    for said in (local.verify("0"), refused(local, "0")):
        assert said == [f"{path}: no part of a run of ours; move it elsewhere"]
    for damaged in (b"", b"PAR1", b"not Parquet" * 99, whole[: len(whole) // 2], whole[:-1], whole[4:]):
        path.write_bytes(damaged)
        (said_so,) = refused(local, "0")
        assert said_so.startswith(f"{path}: ")
        assert said_so.endswith("; delete it and run again")
    path.unlink()
    assert refused(local, "0") == [f"{path}: missing; run again"]


def refused(data: Dataset, part: str) -> list[str]:
    with pytest.raises(DigestError) as caught:
        data.read(part)
    return [str(caught.value)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_never_goes_unnoticed(local: Dataset, at: int, bit: int) -> None:
    """Each bit matters or says nothing: what verify passes has the rows and the footer that were written."""
    path = Path(local.path("1"))
    whole = Path(local.path("0")).read_bytes()
    data = bytearray(whole)
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    if not local.verify("1"):
        assert local.read("1").equals(TABLE)
        assert local.footer("1") == local.footer("0")


def test_columns_that_are_read_alone_are_checked_too(local: Dataset) -> None:
    forged = TABLE.set_column(0, "key", pa.nulls(9, pa.string()))
    footer = pq.read_metadata(local.path("0")).metadata[b"curate"]
    pq.write_table(forged.cast(pa.schema([f.with_nullable(True) for f in forged.schema])).replace_schema_metadata(
        {b"curate": footer}), local.path("0"))  # fmt: skip
    with pytest.raises(ContractError, match="`key` is null in 9"):
        local.read("0", ["key"])


# -- full disks and killed processes -----------------------------------------------------------------------------


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """A full disk, as the system tells of one: writing beyond `size` B fails (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "run"))
    data = store.dataset("clean")
    with files_no_larger_than(1000):
        with (
            pytest.raises(CurateError, match=r"File too large; nothing was kept of .*0\.tar; make room"),
            data.tar("0") as tar,
        ):
            tar.write(os.urandom(100_000))
        with pytest.raises(CurateError, match="make room and run again"):
            store.dataset("urls").write("0", TABLE, MadeFrom("urls", 1, {"long": os.urandom(2000).hex()}, ""))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_other_system_errors_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with pytest.raises(OSError, match="reading") as caught, store.draft(store.path("x")):
        raise OSError(errno.EIO, "reading")
    assert caught.value.errno == errno.EIO


def test_what_a_killed_process_leaves_is_swept(tmp_path: Path) -> None:
    script = f"""if True:
        import os, signal
        from curate.store import Store
        with Store({str(tmp_path)!r}).dataset("clean").tar("0") as tar:
            tar.write(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    store = Store(str(tmp_path))
    (draft,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert draft.name.endswith(".draft")
    assert store.dataset("clean").parts() == []
    store.sweep()
    assert not draft.exists()
