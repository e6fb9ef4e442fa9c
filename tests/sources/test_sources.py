"""Sources: every sample of every kind of shard comes out once, lost ones included, whatever the shard holds."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import sources
from curate.errors import SourceError
from curate.ops import tars
from curate.ops.images import Fault
from curate.sources import Sample, Shard, SourceSettings
from curate.sources.base import Keys
from curate.stages.signatures import SignaturesSettings, Signer
from tests.pictures import png, write_tar


def find(path: object, **more: Any) -> list[Shard]:
    return sources.find(SourceSettings(path=str(path), **more))


def read(path: object, **more: Any) -> list[Sample]:
    return [sample for shard in find(path, **more) for sample in sources.read(shard)]


def fates(samples: list[Sample]) -> list[tuple[str, str]]:
    return [(s.key, s.fault.status if s.fault else "ok") for s in samples]


# -- tars --------------------------------------------------------------------------------------------------------


def test_neighbouring_members_of_one_key_are_one_sample(tmp_path: Path) -> None:
    facts = {"caption": "told", "url": "http://x/2", "other": 1}
    path = write_tar(
        tmp_path / "0.tar",
        {"a.jpg": b"1", "a.TXT": b"a caption", "a.cls": b"7", "b/c.d/k.png": b"2",
         "b/c.d/k.json": json.dumps(facts).encode(),
         "b/c.d/k.seg.png": b"3"},
    )  # fmt: skip
    assert read(path) == [
        Sample("a", (("jpg", b"1"), ("txt", b"a caption"), ("cls", b"7")), None, "a caption", "7"),
        Sample(
            "b/c.d/k", (("png", b"2"), ("json", json.dumps(facts).encode()), ("seg.png", b"3")), "http://x/2", "told"
        ),
    ]


def test_every_odd_member_has_its_row(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind in (("folder", tarfile.DIRTYPE), ("link.jpg", tarfile.SYMTYPE), ("null", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    head = out.getvalue()[: 3 * 512]
    members = {"../up.jpg": b"1", "/abs.jpg": b"2", "esc\x1b.jpg": b"3", "a.jpg": b"4", "b.txt": b"no image",
               "a.png": b"5", ".hidden": b"6", "README": b"7"}  # fmt: skip
    path = tmp_path / "0.tar"
    path.write_bytes(head + write_tar(path, members).read_bytes())
    assert fates(read(path)) == [
        ("link.jpg", "bad_key"), ("null", "bad_key"), ("../up", "bad_key"), ("/abs", "bad_key"),
        ("esc\\x1b", "bad_key"),
        ("a", "ok"), ("b", "missing_image"), ("a#2", "duplicate_key"), (".hidden", "missing_image"),
        ("README", "missing_image"),
    ]  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.tar"]


def test_two_neighbours_of_one_key_are_two_samples(tmp_path: Path) -> None:
    out = io.BytesIO()
    for data in (b"1", b"2", b"3"):
        tars.write(out, "k.jpg", data)
        tars.write(out, "k.txt", b"text")
    path = tmp_path / "0.tar"
    path.write_bytes(out.getvalue() + tars.END)
    samples = read(path)
    assert fates(samples) == [("k", "ok"), ("k#2", "duplicate_key"), ("k#3", "duplicate_key")]
    assert samples[0].image == b"1"


def test_a_cut_tar_keeps_what_lies_before_and_says_where(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {"a.jpg": b"1", "b.jpg": b"2" * 600})
    whole = path.read_bytes()
    path.write_bytes(whole[:1900])
    samples = read(path)
    assert fates(samples) == [("a", "ok"), ("(byte 1900)", "shard_broken")]
    assert samples[1].fault == Fault("shard_broken", "`b.jpg` ends after 364 of 600 bytes")
    path.write_bytes(whole[:-1024])
    assert fates(read(path)) == [("a", "ok"), ("b", "ok"), ("(byte 2560)", "shard_broken")]


def test_large_members_and_large_samples(tmp_path: Path) -> None:
    members = {
        "a.jpg": bytes(2000),
        "a.txt": b"t",
        "b.jpg": b"1",
        "c.jpg": bytes(600),
        "c.png": bytes(600),
        "c.gif": b"",
    }
    path = write_tar(tmp_path / "0.tar", members)
    samples = read(path, max_bytes=1000)
    assert fates(samples) == [("a", "too_many_bytes"), ("b", "ok"), ("c", "too_many_bytes")]
    assert samples[0].members == samples[2].members == ()
    assert samples[0].fault == Fault("too_many_bytes", "`a.jpg` has 2000 bytes")


def test_hostile_json_and_text_are_data(tmp_path: Path) -> None:
    jsons = [b'{"caption": "\\ud800 half"}', b"[" * 100_000, b'{"caption": ' + b"9" * 5000 + b"}",
             b'{"caption": {"a": 1}}',
             b"\xff", b"[1]", b'{"url": 5}', b'{"caption": NaN}']  # fmt: skip
    members: dict[str, bytes] = {}
    for i, data in enumerate(jsons):
        members |= {f"k{i}.png": png(1), f"k{i}.json": data}
    path = write_tar(tmp_path / "0.tar", {**members, "t.png": png(1), "t.txt": b"\xff\xfe caption"})
    (shard,) = find(path)
    signed = Signer(SignaturesSettings(embedding="none"))("0", sources.read(shard))
    assert signed["status"].to_pylist() == ["ok"] * 9
    captions = signed["caption"].to_pylist()
    assert captions[:8] == ["? half", None, None, None, None, None, None, "nan"]
    assert captions[8] == "\ufffd\ufffd caption"


def test_many_samples_of_one_key_take_no_time() -> None:
    keys = Keys()
    found = [keys.settle(Sample("k")).key for _ in range(20_000)]
    assert found[:3] == ["k", "k#2", "k#3"]
    assert len(set(found)) == 20_000


@given(st.lists(st.sampled_from(["a", "a#2", "a#3", "b", "", "../x", "\x00", "\\x00"]), max_size=12))
def test_every_sample_gets_a_key_of_its_own(given_keys: list[str]) -> None:
    keys = Keys()
    settled = [keys.settle(Sample(key, (("jpg", b"1"),))) for key in given_keys]
    assert len({s.key for s in settled}) == len(given_keys)
    assert all((s.key == key) if s.fault is None else not s.members for s, key in zip(settled, given_keys, strict=True))


# -- img2dataset -------------------------------------------------------------------------------------------------

IMG2DATASET = pa.table({
    "url": [f"http://x/{i}" for i in range(5)],
    "caption": ["one", None, "three", "four", "five"],
    "key": [f"{i:09d}" for i in range(5)],
    "status": ["success", "failed_to_download", "success", "failed_to_resize", "success"],
    "error_message": [None, "HTTP Error 404: Not Found", None, "image decoding error", None],
    "width": [128, None, 128, None, 128],
})  # fmt: skip


def test_img2datasets_own_layout_lists_what_was_not_fetched(tmp_path: Path) -> None:
    """Rows 1 and 3 failed; 4 is listed as fetched, but the tar, in order of completion, does not hold it."""
    members: dict[str, bytes] = {}
    for i in (2, 0):
        members |= {f"{i:09d}.jpg": b"x", f"{i:09d}.json": json.dumps({"url": f"http://x/{i}"}).encode()}
    path = write_tar(tmp_path / "00000.tar", members)
    pq.write_table(IMG2DATASET, tmp_path / "00000.parquet")
    samples = read(path)
    assert [(s.key[-1], s.fault.status if s.fault else "ok", s.url, s.caption) for s in samples] == [
        ("2", "ok", "http://x/2", "three"),
        ("0", "ok", "http://x/0", "one"),
        ("1", "network", "http://x/1", None),
        ("3", "network", "http://x/3", "four"),
        ("4", "shard_broken", "http://x/4", "five"),
    ]
    assert samples[2].fault == Fault("network", "HTTP Error 404: Not Found")


def test_our_own_reasons_are_kept_and_foreign_ones_are_not(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {})
    listed = IMG2DATASET.append_column("reason", pa.array(["ok", "http_404", "ok", "what?", None]))
    pq.write_table(listed, tmp_path / "0.parquet")
    assert [status for _, status in fates(read(path))] == [
        "shard_broken",
        "http_404",
        "shard_broken",
        "network",
        "shard_broken",
    ]


def test_a_foreign_parquet_beside_a_tar(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {"a.jpg": b"1", "a.json": b'{"url": "http://x"}'})
    beside = tmp_path / "0.parquet"
    pq.write_table(pa.table({"clip_score": [0.3]}), beside)
    assert fates(read(path)) == [("a", "ok")]
    pq.write_table(pa.table({"key": ["a", "a", "../b"]}), beside)
    samples = read(path)
    assert fates(samples) == [("a", "ok"), ("a#2", "shard_broken"), ("../b", "shard_broken")]
    assert samples[0].url == "http://x"
    beside.write_bytes(b"PAR1 no")
    with pytest.raises(SourceError, match=r"0\.parquet: "):
        read(path)


# -- Parquet -----------------------------------------------------------------------------------------------------


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_as_hugging_face_writes_it(tmp_path: Path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": b"1", "path": "a.jpg"}, {"bytes": None, "path": "b"}, None], kind)
    path = parquet(tmp_path / "0.parquet", image=images, label=[3, 4, None], text=["one", "two", None])
    assert read(path) == [
        Sample("000000000", (("jpg", b"1"), ("txt", b"one")), None, "one", "3"),
        Sample("000000001", (), None, "two", "4", Fault("missing_image", "null")),
        Sample("000000002", (), None, None, None, Fault("missing_image", "null")),
    ]


def test_parquet_of_bytes_with_columns_named(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "0.parquet", webp=[b"1", b"2", b"3" * 50], id=["x", "x", None], alt=["a", "b", "c"], url=["u"] * 3
    )
    samples = read(path, key_col="id", caption_col="alt", max_bytes=20)
    assert fates(samples) == [("x", "ok"), ("x#2", "duplicate_key"), ("000000002", "too_many_bytes")]
    assert samples[0] == Sample("x", (("webp", b"1"), ("txt", b"a")), "u", "a")


def test_parquet_that_cannot_be_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "0.parquet", picture=[b"1"], image=["not bytes"])
    with pytest.raises(SourceError, match="column `image` is string, want bytes"):
        read(path)
    with pytest.raises(SourceError, match="no column `img`; there are picture, image"):
        read(path, image_col="img")
    assert fates(read(path, image_col="picture")) == [("000000000", "ok")]
    with pytest.raises(SourceError, match="no column of image bytes; there are a; set `image_col`"):
        read(parquet(tmp_path / "1.parquet", a=[1]))
    whole = parquet(path, image=[os.urandom(300) for _ in range(500)]).read_bytes()
    path.write_bytes(whole[:40_000] + bytes(60_000) + whole[100_000:])
    with pytest.raises(SourceError, match=r"0\.parquet: "):
        read(path)
    path.write_bytes(whole[:-9])
    with pytest.raises(SourceError, match="not a readable Parquet file"):
        read(path)


def test_rows_are_counted_over_all_files(tmp_path: Path) -> None:
    for name, values in (("0", [b"0", b"1", b"2"]), ("1", [b"3"]), ("2", [b"4", b"5"])):
        parquet(tmp_path / f"{name}.parquet", image=values)
    some = f"{tmp_path}/*.parquet"
    assert [s.image for s in read(some, rows=(2, 5))] == [b"2", b"3", b"4"]
    assert [s.image for s in read(some, rows=(3, 4))] == [b"3"]
    assert [s.name for s in find(some, rows=(3, 4))] == ["1"]
    assert find(some, rows=(4, 5))[0].digest != find(some, rows=(4, 6))[0].digest
    with pytest.raises(SourceError, match=r"`rows` = \[2, 7\] of 6 rows in all files"):
        find(some, rows=(2, 7))
    write_tar(tmp_path / "0.tar", {"k.jpg": b"1"})
    with pytest.raises(SourceError, match="`rows` are cut out of Parquet and TFRecord, not out of a tar"):
        find(tmp_path / "0.tar", rows=(0, 1))


# -- TFRecord ----------------------------------------------------------------------------------------------------


def field(number: int, value: bytes) -> bytes:
    """A field of a protobuf message that is bytes, text or a message."""
    sevens = [len(value) >> shift & 127 for shift in range(0, max(1, len(value).bit_length()), 7)]
    length = bytes([*(seven | 128 for seven in sevens[:-1]), sevens[-1]])
    return bytes([number << 3 | 2]) + length + value


def example(image: bytes, label: int) -> bytes:
    """A tf.train.Example as TFDS writes it: an image, its file's name, its label, and a float."""
    features = {
        b"image": field(1, field(1, image)),
        b"file_name": field(1, field(1, b"x.png")),
        b"label": field(3, field(1, bytes([label]))),
        b"score": field(2, field(1, bytes(4))),
    }
    return field(1, b"".join(field(1, field(1, name) + field(2, value)) for name, value in features.items()))


def tfds(folder: Path, split: str, files: list[list[bytes]]) -> str:
    """Write a split as TFDS lays it out; the glob that finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, images in enumerate(files):
        records = [example(image, label) for label, image in enumerate(images)]
        framed = b"".join(len(r).to_bytes(8, "little") + bytes(4) + r + bytes(4) for r in records)
        (folder / f"x-{split}.tfrecord-{number:05d}-of-{len(files):05d}").write_bytes(framed)
    said = {"splits": [{"name": split, "shardLengths": [str(len(images)) for images in files]}]}
    (folder / "dataset_info.json").write_text(json.dumps(said))
    return f"{folder}/x-{split}.tfrecord-*"


def test_tfrecord_as_tfds_writes_it(tmp_path: Path) -> None:
    images = [png(i) for i in range(5)]
    path = tfds(tmp_path, "train", [images[:3], images[3:]])
    samples = read(path)
    assert [(s.key, s.label) for s in samples] == [
        ("s0000000", "0"), ("s0000001", "1"), ("s0000002", "2"), ("s0000003", "0"), ("s0000004", "1"),
    ]  # fmt: skip
    assert [s.image for s in samples] == images
    cut = read(path, rows=(2, 4))
    assert [(s.key, s.image) for s in cut] == [("s0000002", images[2]), ("s0000003", images[3])]


def test_tfrecord_that_is_cut_or_no_example_or_not_all_there(tmp_path: Path) -> None:
    path = tfds(tmp_path, "test", [[png(0), png(1)], [png(2)]])
    first, second = sorted(tmp_path.glob("*.tfrecord-*"))
    whole = first.read_bytes()
    first.write_bytes(whole[:-40])
    assert fates(read(path)) == [("s0000000", "ok"), ("s0000001", "shard_broken"), ("s0000002", "ok")]
    first.write_bytes((3).to_bytes(8, "little") + bytes(4) + b"\xff\xff\xff" + bytes(4) + whole)
    assert fates(read(path))[0] == ("s0000000", "shard_broken")
    assert fates(read(path, max_bytes=3))[1] == ("s0000001", "too_many_bytes")
    second.unlink()
    with pytest.raises(SourceError, match="1 of the split's 2 files are here"):
        find(path)
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(SourceError, match=r"dataset_info\.json: it should say how long `test` is"):
        find(path)
    first.rename(tmp_path / "odd.tfrecord")
    with pytest.raises(SourceError, match="not named as TFDS does"):
        find(tmp_path / "odd.tfrecord")


# -- folders -----------------------------------------------------------------------------------------------------


def test_folders(tmp_path: Path) -> None:
    names = ["a.jpg", "a.png", "cats/x.y.JPG", "cats/ünï.webp", "dogs/deep/x.gif", "notes.txt", "cats/noext"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    os.mkfifo(tmp_path / "pipe.jpg")
    samples = read(tmp_path, folder_shard=2)
    assert [(s.key, s.label, s.members[0][0]) for s in samples] == [
        ("a", None, "jpg"), ("a_png", None, "png"), ("cats/x_y", "cats", "jpg"), ("cats/ünï", "cats", "webp"),
        ("dogs/deep/x", "deep", "gif"),
    ]  # fmt: skip
    assert [s.image for s in samples] == [n.encode() for n in names[:5]]
    assert [(s.name, len(s.files)) for s in find(tmp_path, folder_shard=2)] == [
        ("00000", 2),
        ("00001", 2),
        ("00002", 1),
    ]
    assert fates(read(tmp_path, max_bytes=5))[2] == ("cats/x_y", "too_many_bytes")


def test_links_in_a_folder_are_followed_and_never_in_circles(tmp_path: Path) -> None:
    root, away = tmp_path / "root", tmp_path / "away"
    for path in (root / "cats" / "a.jpg", away / "b.jpg", away / "deep" / "c.jpg"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(path.name.encode())
    links = {"file.jpg": away / "b.jpg", "gone.jpg": away / "none.jpg", "self.jpg": root / "self.jpg", "dogs": away}
    links |= {"cats/up": root, "again": away, "felines": root / "cats"}
    for name, target in links.items():
        (root / name).symlink_to(target)
    (away / "round").symlink_to(tmp_path)
    read_them = {s.key: s.image for s in read(root)}
    assert read_them == {"cats/a": b"a.jpg", "file": b"b.jpg", "again/b": b"b.jpg", "again/deep/c": b"c.jpg"}
    assert [s.label for s in read(root)] == ["again", "deep", "cats", None]
    before = find(root)
    (away / "b.jpg").write_bytes(b"other")
    assert find(root)[0].digest != before[0].digest
    (root / "all").symlink_to(tmp_path / "root")
    assert {s.key for s in read(root / "all")} == read_them.keys()


def test_images_of_a_folder_that_a_file_names(tmp_path: Path) -> None:
    for name in ("cats/1.jpg", "cats/2.jpg", "dogs/1.png", "dogs/odd.jpg"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).write_bytes(name.encode())
    listed = tmp_path / "test.txt"
    listed.write_text("# by hand\ncats/2.jpg\n\ndogs/1 12 1\n")
    assert [s.key for s in read(tmp_path / "images", listed=str(listed))] == ["cats/2", "dogs/1"]
    listed.write_text("cats/2.jpg\ncats/9.jpg\nelks/1\n")
    with pytest.raises(SourceError, match=r"test\.txt names 3 images; 2 are not in .*images, as cats/9\.jpg"):
        find(tmp_path / "images", listed=str(listed))
    with pytest.raises(SourceError, match="it should name the images to take"):
        find(tmp_path / "images", listed=f"{tmp_path}/none.txt")


def test_file_names_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff.jpg")).write_bytes(b"1")
    assert fates(read(tmp_path)) == [("bad\\udcff", "bad_key")]


def test_a_changed_folder_has_another_digest(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    before = find(tmp_path)
    assert find(tmp_path) == before
    (tmp_path / "a.jpg").write_bytes(b"22")
    assert find(tmp_path)[0].digest != before[0].digest


# -- finding -----------------------------------------------------------------------------------------------------


def test_braces_and_globs(tmp_path: Path) -> None:
    for name in ("x/0.tar", "x/1.tar", "x/2.tar", "y/0.tar", "y/other.txt"):
        write_tar(tmp_path / name, {"k.jpg": name.encode()})
    (tmp_path / "x" / "folder.tar").mkdir()
    assert [s.name for s in find(f"{tmp_path}/x/*.tar")] == ["0", "1", "2"]
    assert [s.name for s in find(f"{tmp_path}/x/{{0..1}}.tar")] == ["0", "1"]
    assert [s.name for s in find(f"{tmp_path}/{{x,y}}/*.tar")] == ["x_0", "x_1", "x_2", "y_0"]
    assert [s.image for s in read(f"{tmp_path}/{{y,x}}/0.tar")] == [b"y/0.tar", b"x/0.tar"]
    assert len(find(f"{tmp_path}/x/{{0,0,?}}.tar")) == 3


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "0.tar", {})
    for path, said in (
        (f"{tmp_path}/{{0..9}}.tar", r"not found: .*1\.tar, .*5\.tar and 4 more"),
        (f"{tmp_path}/*.parquet", "not found"),
        (f"{tmp_path}/{{0.tar", "braces do not match"),
        (f"{tmp_path}/nothing", r"nothing there; beside it: 0\.tar"),
        (tmp_path, "no images"),
    ):
        with pytest.raises(SourceError, match=said):
            find(path)


def test_what_is_no_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "0.zip").write_bytes(b"PK")
    with pytest.raises(SourceError, match=r"0\.zip: neither \*\.tar, \*\.parquet nor a folder; set `format`"):
        find(tmp_path / "0.zip")


def test_a_shard_is_told_by_its_content_and_by_what_lists_it(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {"k.jpg": b"1"})
    first = find(path)[0].digest
    assert find(path)[0].digest == first
    pq.write_table(IMG2DATASET, tmp_path / "0.parquet")
    second = find(path)[0].digest
    write_tar(path, {"k.jpg": b"1" * 999})
    assert len({first, second, find(path)[0].digest}) == 3


def test_hidden_names_and_chosen_formats(tmp_path: Path) -> None:
    write_tar(tmp_path / ".part.tar", {"k.jpg": b"1"})
    assert [s.name for s in find(tmp_path / ".part.tar")] == ["part"]
    write_tar(tmp_path / "shard.wds", {"k.jpg": b"1"})
    assert fates(read(tmp_path / "shard.wds", format="webdataset")) == [("k", "ok")]


def test_the_same_from_an_object_store(tmp_path: Path, s3: str) -> None:
    fs = fsspec.filesystem("s3")
    base = f"{s3}/{tmp_path.name}"
    fs.put(str(write_tar(tmp_path / "0.tar", {"k.jpg": b"1"})), f"{base}/tars/0.tar")
    fs.put(str(parquet(tmp_path / "1.parquet", image=[b"2"])), f"{base}/parquet/1.parquet")
    fs.pipe(f"{base}/images/cats/x.jpg", b"3")
    assert [s.image for s in read(f"{base}/tars/*.tar")] == [b"1"]
    assert [s.image for s in read(f"{base}/parquet/1.parquet")] == [b"2"]
    assert [(s.key, s.label, s.image) for s in read(f"{base}/images")] == [("cats/x", "cats", b"3")]
    with pytest.raises(SourceError, match="not found"):
        find(f"{base}/tars/{{0..1}}.tar")
