"""URL lists are cut as img2dataset cuts them, in every format, and nothing in them is lost."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.contracts import contract
from curate.errors import SourceError
from curate.stages.urls import UrlsSettings, list_files, slices

ROWS = [("http://a.org/1.jpg", "a cat, asleep"), ("http://a.org/2.jpg", 'says "hi"'), ("http://b.org/3.jpg", "é")]


def _cut(**settings: Any) -> list[tuple[str, list[tuple[str, str, str | None]]]]:
    found = []
    for name, table in slices(UrlsSettings(**settings)):
        rows = contract("urls").check(table, name).to_pylist()
        found.append((name, [(row["key"], row["url"], row["caption"]) for row in rows]))
    return found


def _write(folder: Path, kind: str) -> Path:
    file = folder / f"list.{kind}"
    plain = kind.removesuffix(".gz")
    records = [{"url": url, "text": text} for url, text in ROWS]
    if plain == "parquet":
        pq.write_table(pa.Table.from_pylist(records), file)
        return file
    text = io.StringIO(newline="")
    if plain in ("csv", "tsv"):
        csv.writer(text, delimiter="," if plain == "csv" else "\t").writerows([("url", "text"), *ROWS])
    else:
        text.write(json.dumps(records) if plain == "json" else "\n".join(map(json.dumps, records)))
    file.write_bytes(gzip.compress(text.getvalue().encode()) if kind != plain else text.getvalue().encode())
    return file


@pytest.mark.parametrize("kind", ["parquet", "csv", "csv.gz", "tsv", "tsv.gz", "json", "json.gz", "jsonl", "jsonl.gz"])
def test_every_format_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    (cut,) = _cut(url_list=str(_write(tmp_path, kind)), caption_col="text", number_sample_per_shard=10)
    assert cut == ("00000", [(f"00000{i}", url, text) for i, (url, text) in enumerate(ROWS)])


@pytest.mark.parametrize("kind", ["txt", "txt.gz"])
def test_text_lists_have_a_url_a_line(tmp_path: Path, kind: str) -> None:
    text = b"http://a.org/1,2.jpg\r\n\n  http://a.org/b c.jpg\nfile:///etc/passwd"
    file = tmp_path / f"list.{kind}"
    file.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    ((_, rows),) = _cut(url_list=str(file))
    assert [url for _, url, _ in rows] == ["http://a.org/1,2.jpg", "http://a.org/b c.jpg", "file:///etc/passwd"]


def test_files_are_cut_one_by_one_and_shards_numbered_through(tmp_path: Path) -> None:
    for name, count in (("b", 2), ("a", 5)):
        (tmp_path / f"{name}.txt").write_text("".join(f"http://{name}/{i}\n" for i in range(count)))
    cut = _cut(url_list=str(tmp_path / "*.txt"), number_sample_per_shard=2)
    assert [(name, [url for _, url, _ in rows]) for name, rows in cut] == [
        ("00000", ["http://a/0", "http://a/1"]),
        ("00001", ["http://a/2", "http://a/3"]),
        ("00002", ["http://a/4"]),
        ("00003", ["http://b/0", "http://b/1"]),
    ]


@pytest.mark.filterwarnings("ignore:'imghdr'")
@pytest.mark.parametrize("per_shard", [1, 2, 10, 11, 100])
def test_keys_are_those_of_img2dataset(tmp_path: Path, per_shard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network when imported
    from img2dataset.downloader import compute_key

    (tmp_path / "a.txt").write_text("".join(f"http://a/{i}\n" for i in range(25)))
    cut = _cut(url_list=str(tmp_path / "a.txt"), number_sample_per_shard=per_shard)
    digits = len(str(per_shard - 1)) if per_shard > 1 else 0
    expected = [compute_key(i % per_shard, i // per_shard, digits, 5) for i in range(25)]
    assert [key for _, rows in cut for key, _, _ in rows] == expected


def test_batches_of_any_size_make_full_slices(tmp_path: Path) -> None:
    table = pa.table({"url": [f"http://a/{i}" for i in range(25_000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=7_000)
    cut = _cut(url_list=str(tmp_path), number_sample_per_shard=9_000)
    assert [len(rows) for _, rows in cut] == [9_000, 9_000, 7_000]
    assert [url for _, rows in cut for _, url, _ in rows] == table["url"].to_pylist()


def test_a_missing_url_keeps_its_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"url": ["http://a/1", None], "text": [None, "b"]}), tmp_path / "a.parquet")
    ((_, rows),) = _cut(url_list=str(tmp_path / "a.parquet"), caption_col="text")
    assert rows == [("000000000", "http://a/1", None), ("000000001", "", "b")]


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    """The mark before the first name, quotes and line ends within a caption, an empty line, carriage returns."""
    said = '\ufeffurl,text\r\nhttp://a/1,"two\r\nlines, ""quoted"""\r\n\r\nhttp://a/2,\r\n'
    (tmp_path / "a.csv").write_bytes(said.encode())
    ((_, rows),) = _cut(url_list=str(tmp_path / "a.csv"), caption_col="text")
    assert rows == [("000000000", "http://a/1", 'two\r\nlines, "quoted"'), ("000000001", "http://a/2", "")]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "json"])
def test_a_missing_column_is_named_beside_those_there(tmp_path: Path, kind: str) -> None:
    file = _write(tmp_path, kind)
    with pytest.raises(SourceError, match=rf"{file}: no column `link`; it has url, text"):
        _cut(url_list=str(file), url_col="link")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"not Parquet", "cannot be read as parquet"),
        ("a.txt.gz", b"not gzip", "cannot be read as txt.gz"),
        ("a.txt", b"\xff\xfe\xfd", "cannot be read as txt"),
        ("a.jsonl", b'{"url": 1', "cannot be read as jsonl"),
        ("a.jsonl", b"[1]", "row 0 is no JSON object"),
        ("a.csv", b"", "cannot be read as csv"),
        ("a.csv", b"url,b\n1,2,3\n", "row 1 has 3 columns, the head has 2"),
        ("a.csv", b'url,b\n1,"2\n', "cannot be read as csv: unexpected end of data"),
        ("a.csv", b"url,b\n1,\xff\xfe\n", "cannot be read as csv"),
        ("a.list", b"", "say `input_format`"),
    ],
)
def test_unreadable_lists_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message) as raised:
        _cut(url_list=str(tmp_path / name))
    assert str(tmp_path / name) in str(raised.value)


@pytest.mark.parametrize("place", ["nothing.txt", "*.txt", "."])
def test_no_list_is_an_error(tmp_path: Path, place: str) -> None:
    with pytest.raises(SourceError, match="no such URL list"):
        list_files(UrlsSettings(url_list=str(tmp_path / place)))


def test_lists_may_lie_behind_fsspec() -> None:
    import fsspec

    with fsspec.open("memory://lists/a.txt", "wt") as file:
        file.write("http://a/1\n")
    assert list_files(UrlsSettings(url_list=("memory://lists/*.txt",))) == ["memory:///lists/a.txt"]
    assert _cut(url_list="memory://lists/a.txt") == [("00000", [("000000000", "http://a/1", None)])]
