"""Clean shards: bytes, keys and captions survive; the index leads to them; a changed source is noticed."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.contracts import contract
from curate.errors import SourceError
from curate.ops.digest import rows_digest
from curate.sources import Sample, Shard, read
from curate.stages.clean import Kept, as_table, emit
from tests.pictures import draw, encode


def kept(shard: str, sample: Sample, **facts: Any) -> Kept:
    known = {"shard": shard, "url": None, "caption": sample.caption, "width": 8, "height": 8}
    digest = {"sha256": hashlib.sha256(sample.image or b"").digest()}
    return Kept(sample, {**known, **digest, **facts})


ONE = Sample(
    "a/one", (("png", b"\x89PNG 1"), ("txt", "ein Bild ü".encode()), ("json", b'{"x": 1}')), caption="ein Bild ü"
)
TWO = Sample("two", (("jpg", b"2" * 700),))


def emitted(*samples: Kept) -> tuple[pa.Table, bytes]:
    out = io.BytesIO()
    return contract("clean").check(emit(samples, out), "here"), out.getvalue()


def test_members_are_copied_byte_for_byte_and_in_order() -> None:
    index, data = emitted(kept("0", ONE, url="http://x"), kept("0", TWO))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = [(m.name, tar.extractfile(m).read()) for m in tar]  # type: ignore[union-attr]
    assert members == [("a/one.png", b"\x89PNG 1"), ("a/one.txt", "ein Bild ü".encode()), ("a/one.json", b'{"x": 1}'),
                       ("two.jpg", b"2" * 700)]  # fmt: skip
    assert index.select(["key", "source_shard", "source_key", "url", "caption"]).to_pylist() == [
        {"key": "a/one", "source_shard": "0", "source_key": "a/one", "url": "http://x", "caption": "ein Bild ü"},
        {"key": "two", "source_shard": "0", "source_key": "two", "url": None, "caption": None},
    ]


def test_captions_of_copies_go_to_the_json_and_nothing_else_changes() -> None:
    others = ("  EIN BILD Ü", "a picture", "ein Bild", "A  Picture", "")
    two = kept("0", TWO)._replace(captions=("x", ""))
    odd = kept("0", TWO._replace(key="odd", members=(*TWO.members, ("json", b"[1]"))))._replace(captions=("x",))
    alone = kept("0", ONE._replace(key="alone"))._replace(captions=("ein  bild Ü",))
    index, data = emitted(kept("0", ONE)._replace(captions=others), two, odd, alone)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    assert json.loads(members["a/one.json"]) == {"x": 1, "captions": ["ein Bild ü", "a picture", "ein Bild"]}
    assert (members["a/one.png"], members["a/one.txt"]) == (b"\x89PNG 1", "ein Bild ü".encode())
    assert json.loads(members["two.json"]) == {"captions": ["x"]}
    assert (members["odd.json"], json.loads(members["odd.captions.json"])) == (b"[1]", {"captions": ["x"]})
    assert members["alone.json"] == b'{"x": 1}'
    assert index["caption"].to_pylist() == ["ein Bild ü", None, None, "ein Bild ü"]


def test_the_index_leads_to_each_sample() -> None:
    index, data = emitted(kept("0", ONE), kept("0", TWO))
    offsets, lengths = index["offset"].to_pylist(), index["length"].to_pylist()
    assert offsets == [0, lengths[0]]
    with tarfile.open(fileobj=io.BytesIO(data[offsets[1] : offsets[1] + lengths[1]])) as tar:
        assert tar.getnames() == ["two.jpg"]
    assert len(data) == sum(lengths) + 1024


def test_keys_of_several_shards_are_told_apart() -> None:
    second = TWO._replace(members=(("jpg", b"other"),))
    index, data = emitted(kept("0", TWO), kept("1", second), kept("2", TWO._replace(key="1_two")), kept("1", second))
    assert index["key"].to_pylist() == ["two", "1_two", "2_1_two", "1_two_2"]
    assert index["source_key"].to_pylist() == ["two", "two", "1_two", "two"]
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["two.jpg", "1_two.jpg", "2_1_two.jpg", "1_two_2.jpg"]


def test_a_key_with_a_dot_does_not_fall_apart(tmp_path: Path) -> None:
    """A Parquet column may hold any key; in a tar, what is behind the first dot would be taken for the extension."""
    index, data = emitted(*(kept("0", TWO._replace(key=key)) for key in ("x.1", "x.2", "d.e/.f", "x_1")))
    (tmp_path / "0.tar").write_bytes(data)
    samples = list(read(Shard("0", "tar", (str(tmp_path / "0.tar"),), "")))
    assert [s.key for s in samples] == index["key"].to_pylist() == ["x_1", "x_2", "d.e/_f", "0_x_1"]
    assert index["source_key"].to_pylist() == ["x.1", "x.2", "d.e/.f", "x_1"]
    assert all(s.image == TWO.image for s in samples)


def test_a_source_that_changed_is_noticed() -> None:
    with pytest.raises(SourceError, match="shard 7: the bytes of `two` changed since it was signed; sign it again"):
        emitted(kept("7", TWO, sha256=bytes(32)))


def test_nothing_kept_is_an_empty_tar() -> None:
    index, data = emitted()
    assert (index.num_rows, data) == (0, bytes(1024))
    assert contract("images").check(as_table([]), "here").num_rows == 0


def test_samples_as_parquet() -> None:
    table = contract("images").check(as_table([ONE._replace(label="7"), TWO]), "here")
    assert table.to_pylist() == [
        {
            "key": "a/one",
            "url": None,
            "caption": "ein Bild ü",
            "label": "7",
            "image": b"\x89PNG 1",
            "json": b'{"x": 1}',
        },
        {"key": "two", "url": None, "caption": None, "label": None, "image": b"2" * 700, "json": None},
    ]


def test_golden_digests() -> None:
    samples = [Sample(f"k{i}", (("bmp", encode(draw(i), "BMP")), ("txt", b"c" * i)), caption="c" * i) for i in range(3)]
    index, data = emitted(*(kept("0", s) for s in samples))
    assert hashlib.sha256(data).hexdigest() == "51b3a75d7f8fce1294fac95dfb95a8b5b391fe1157b4c91a84738c0a0a338710"
    assert rows_digest(index) == "f74f0a0bd66f1edbdc406be81ba21e7e707d583279a640d44d9ed046ca347ed6"
