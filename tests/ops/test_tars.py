"""Tars: read as `tarfile` and WebDataset read them, whatever they hold; nothing invented, nothing extracted."""

from __future__ import annotations

import io
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from curate.ops import tars
from curate.ops.tars import BLOCK, END, Broken, Member, Odd, walk

Walked = list[Member | Odd | Broken]
NO_END = "ends without an end mark"


def walked(data: bytes, max_bytes: int = 1 << 20) -> Walked:
    return list(walk(io.BytesIO(data), max_bytes))


def ours(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    for name, data in members.items():
        tars.write(out, name, data)
    return out.getvalue() + END


def info(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, **more: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    for key, value in more.items():
        setattr(made, key, value)
    return made


def theirs(members: list[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for one, data in members:
            tar.addfile(one, io.BytesIO(data))
    return out.getvalue()


def forged(block: bytes, at: int, value: bytes) -> bytes:
    """A header block with some bytes replaced and its checksum made right again."""
    block = block[:at] + value + block[at + len(value) :]
    block = block[:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


FILES = {
    "a.jpg": b"x" * 700,
    "a.txt": b"",
    "deep/b.c/k.seg.png": b"y" * 512,
    "n" * 100: b"1",
    "n" * 101: b"2",
    "ü.jpg": b"3",
    "long/" * 60 + "end.jpg": b"4" * 513,
}


def test_tarfile_reads_what_we_write() -> None:
    with tarfile.open(fileobj=io.BytesIO(ours(FILES))) as tar:
        read = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    assert read == FILES


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_we_read_what_tarfile_writes(form: int) -> None:
    names = [n for n in FILES if form != tarfile.USTAR_FORMAT or len(n) <= 100]
    made = theirs([(info(name, len(FILES[name])), FILES[name]) for name in names], form)
    assert walked(made) == [Member(n, len(FILES[n]), FILES[n]) for n in names]


def test_a_ustar_prefix_is_part_of_the_name() -> None:
    name = "folder/" * 20 + "k.jpg"
    assert walked(theirs([(info(name, 1), b"1")], tarfile.USTAR_FORMAT)) == [Member(name, 1, b"1")]


def test_webdataset_reads_what_we_write_and_we_what_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "0.tar"
    path.write_bytes(ours({"k.jpg": b"12", "k.txt": b"t", "l.jpg": b"34"}))
    with path.open("rb") as file:
        members = webdataset.tariterators.tar_file_expander([{"url": "0.tar", "stream": file}])
        read = list(webdataset.tariterators.group_by_keys(members))
    assert [(s["__key__"], s["jpg"]) for s in read] == [("k", b"12"), ("l", b"34")]
    with webdataset.TarWriter(str(path)) as writer:
        writer.write({"__key__": "a/m", "jpg": b"56", "txt": "caption"})
    assert walked(path.read_bytes()) == [Member("a/m.jpg", 2, b"56"), Member("a/m.txt", 7, b"caption")]


@given(st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=150),
                       st.binary(max_size=1500), max_size=6))  # fmt: skip
def test_round_trip(members: dict[str, bytes]) -> None:
    members = {name: data for name, data in members.items() if not name.endswith("/")}
    assert walked(ours(members)) == [Member(n, len(d), d) for n, d in members.items()]


def test_equal_content_gives_equal_bytes_and_their_count() -> None:
    out = io.BytesIO()
    written = sum(tars.write(out, name, data) for name, data in FILES.items())
    assert written == len(out.getvalue())
    assert out.getvalue() + END == ours(FILES)


@pytest.mark.parametrize(
    ("kind", "said"),
    [(tarfile.LNKTYPE, "hard link"), (tarfile.SYMTYPE, "symbolic link"), (tarfile.CHRTYPE, "character device"),
     (tarfile.BLKTYPE, "block device"), (tarfile.DIRTYPE, "folder"), (tarfile.FIFOTYPE, "fifo")],
)  # fmt: skip
def test_odd_members_are_named_and_have_no_bytes(kind: bytes, said: str) -> None:
    made = theirs([(info("odd", kind=kind, linkname="/etc/passwd"), b""), (info("k.jpg", 1), b"1")])
    assert walked(made) == [Odd("odd", said), Member("k.jpg", 1, b"1")]
    lying = forged(made[:BLOCK], 124, b"%011o\0" % 512) + made[BLOCK:]  # a link has no body, whatever size it states
    assert walked(lying) == [Odd("odd", said), Member("k.jpg", 1, b"1")]
    with tarfile.open(fileobj=io.BytesIO(lying)) as tar:
        assert tar.getnames() == ["odd", "k.jpg"]


def test_sparse_files_are_odd() -> None:
    head = forged(info("sparse", 512).tobuf(tarfile.GNU_FORMAT), 156, b"S")
    mapped = forged(head, 482, b"\1") + bytes(BLOCK)  # one more block of map, which the size does not count
    follows = ours({"k.jpg": b"1"})
    for start in (head, mapped):
        assert walked(start + bytes(512) + follows) == [Odd("sparse", "sparse file"), Member("k.jpg", 1, b"1")]
    pax = theirs([(info("p", 3, pax_headers={"GNU.sparse.major": "1", "GNU.sparse.name": "k.jpg"}), b"abc")])
    assert walked(pax) == [Odd("p", "sparse file")]


@pytest.mark.parametrize("name", ["../up.jpg", "/etc/passwd", "a/../../b.jpg", "tab\t.jpg", "esc\x1b[31m.jpg",
                                  "\\\\host\\x", "half\udc80.jpg", "", "folder/"])  # fmt: skip
def test_unsafe_names(name: str) -> None:
    assert tars.unsafe(name)


@pytest.mark.parametrize("name", ["a.jpg", "a/b.jpg", "a..b.jpg", "..a/b", "ü.jpg", "~/x", "a b.jpg"])
def test_safe_names(name: str) -> None:
    assert not tars.unsafe(name)


def test_names_split_as_webdataset_splits_them() -> None:
    for name in ("k.jpg", "a/b.c/k.seg.png", "k.JPG", "a/k.x.y.z"):
        key, extension = webdataset.tariterators.base_plus_ext(name)
        assert tars.split_name(name) == (key, extension.lower())


def test_base_256_sizes() -> None:
    head = info("k.jpg", 3).tobuf(tarfile.GNU_FORMAT)
    assert walked(forged(head, 124, b"\x80" + bytes(10) + b"\3") + b"abc".ljust(512, b"\0") + END) == [
        Member("k.jpg", 3, b"abc")
    ]
    negative = forged(head, 124, b"\xff" * 12)
    assert walked(negative + b"x" * 5000) == [Broken(0, "no valid header")]
    endless = forged(head, 124, b"\x80" + b"\xff" * 11)
    (broken,) = walked(endless + b"x" * 5000)
    assert isinstance(broken, Broken)
    assert broken.offset == BLOCK + 5000


def test_sizes_as_old_writers_pad_them() -> None:
    head = info("k.jpg", 3).tobuf(tarfile.USTAR_FORMAT)
    for size in (b"3 \0\0\0\0\0\0\0\0\0\0", b"          3\0", b"3\0\0\0\0\0\0\0\0\0\0\0", b"00000000003 "):
        assert walked(forged(head, 124, size) + b"abc".ljust(512, b"\0") + END) == [Member("k.jpg", 3, b"abc")], size


def test_pax_records_are_read_by_their_length() -> None:
    made = theirs([(info("k.jpg", 1, pax_headers={"comment": "x\n20 path=evil.jpg\n9 size=9\n"}), b"1")])
    assert walked(made) == [Member("k.jpg", 1, b"1")]
    assert walked(theirs([(info("k.jpg", 1, pax_headers={"path": "told.jpg"}), b"1")])) == [Member("told.jpg", 1, b"1")]


def extension(kind: str, body: bytes, size: int | None = None) -> bytes:
    head = forged(info("ext", len(body)).tobuf(tarfile.USTAR_FORMAT), 156, kind.encode())
    head = head if size is None else forged(head, 124, b"\x80" + size.to_bytes(11))
    return head + body.ljust(-(-len(body) // BLOCK) * BLOCK, b"\0")


@pytest.mark.parametrize("body", [b"nonsense", b"5 a=b\n", b"999 path=x\n", b"0 path=x\n", b"10 path=xyz\n",
                                  b"9" * 5000 + b" path=x\n"])  # fmt: skip
def test_broken_pax_records_break_the_tar(body: bytes) -> None:
    (broken,) = walked(extension("x", body) + ours({"k.jpg": b"1"}))
    assert isinstance(broken, Broken)
    assert broken.message == "extension header with a broken record"


def test_pax_sizes_that_are_no_sizes_do_not_count() -> None:
    for size in (b"-5", b"9" * 30, b"", b"\xb2"):
        record = b" size=" + size + b"\n"
        record = str(len(record) + len(str(len(record) + 2))).encode() + record
        assert walked(extension("x", record) + ours({"k.jpg": b"1"})) == [Member("k.jpg", 1, b"1")]


def test_global_headers_are_passed_over() -> None:
    made = extension("g", b"19 path=global.jpg\n"[:19]) + ours({"k.jpg": b"1"})
    assert walked(made) == [Member("k.jpg", 1, b"1")]


def test_endless_and_chained_extensions_cost_no_memory() -> None:
    (broken,) = walked(extension("x", b"", size=1 << 33) + b"x" * 9999)
    assert broken == Broken(BLOCK, "extension header of 8589934592 bytes")
    link = extension("x", b"".join(b"%d c%03d=%s\n" % (508, i, b"z" * 498) for i in range(999)))
    tracemalloc.start()
    assert walked(link * 30) == [Broken(len(link) * 30, NO_END)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20


def test_members_over_the_cap_are_passed_over_not_read() -> None:
    made = ours({"big.jpg": bytes(30 << 20), "k.jpg": b"1"})
    tracemalloc.start()
    found = list(walk(io.BytesIO(made), max_bytes=1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [Member("big.jpg", 30 << 20, None), Member("k.jpg", 1, b"1")]
    assert peak < 8 << 20


def test_a_tar_cut_anywhere_says_so_and_keeps_what_lies_before() -> None:
    whole = ours({"a.jpg": b"x" * 700, "n" * 120: b"y", "c.jpg": b"z" * 512})
    full = walked(whole)
    for cut in range(0, len(whole) - 2 * BLOCK, 128):
        *before, last = walked(whole[:cut])
        assert isinstance(last, Broken), cut
        assert before == full[: len(before)]
        assert all(isinstance(m, Member) and m.data is not None and len(m.data) == m.size for m in before)
        assert last.offset <= cut
    assert walked(whole[:-BLOCK]) == full  # one block of zeros is an end mark too


def test_garbage_behind_the_end_mark_is_none_of_ours_and_garbage_before_it_is_told() -> None:
    assert walked(ours({"k.jpg": b"1"}) + b"garbage" * 999) == [Member("k.jpg", 1, b"1")]
    broken = ours({"k.jpg": b"1"})[: -len(END)] + b"garbage" * 999
    assert walked(broken) == [Member("k.jpg", 1, b"1"), Broken(1024, "no valid header")]
    assert walked(b"") == [Broken(0, NO_END)]
    assert walked(b"PK\3\4" * 400) == [Broken(0, "no valid header")]


@given(st.binary(max_size=3000))
def test_random_bytes_never_raise(data: bytes) -> None:
    *_, last = [None, *walked(data)]
    assert data[:BLOCK] == bytes(BLOCK) or isinstance(last, Broken)


@given(st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), max_size=8))
def test_changed_bytes_never_raise_and_no_data_is_invented(changes: list[tuple[int, int]]) -> None:
    data = bytearray(ours({"a.jpg": b"x" * 700, "ü" * 80: b"y" * 10, "c.jpg": b"z" * 1100}))
    for at, value in changes:
        data[at % len(data)] = value
    for member in walked(bytes(data)):
        if isinstance(member, Member):
            assert member.data is not None
            assert len(member.data) == member.size
            assert member.data in bytes(data)
