"""What is fetched becomes a shard: bytes as sent, keys and captions in place, the same tar whatever came first."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import random
import tarfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from curate.contracts import contract
from curate.demo.faults import flat_png
from curate.errors import CurateError
from curate.stages.shards import ShardsSettings, make
from tests.fetch.web import Web, http, serving

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as server:
        yield server


def _settings(**changes: Any) -> ShardsSettings:
    usual: dict[str, Any] = {"contact": "a@b.invalid", "allow_networks": ["127.0.0.1/32"], "timeout": 1, "retries": 0}
    return ShardsSettings(**usual | changes)


def _image(kind: str = "JPEG", size: tuple[int, int] = (60, 40), **more: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 30, 60)).save(file, kind, **more)
    return file.getvalue()


def _make(urls: list[str], captions: Sequence[str | None] = (), **changes: Any) -> tuple[pa.Table, bytes]:
    keys = [f"{i:09d}" for i in range(len(urls))]
    listed = contract("urls").table({"key": keys, "url": urls, "caption": list(captions) or [None] * len(urls)})
    tar = io.BytesIO()
    rows = make(_settings(**changes))(listed, tar)
    return contract("shards").check(rows, "shards"), tar.getvalue()


def _members(tar: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as file:
        return {member.name: file.extractfile(member).read() for member in file.getmembers()}  # type: ignore[union-attr]


def test_bytes_captions_and_metadata_lie_under_the_key(web: Web) -> None:
    jpeg, png = _image(), _image("PNG")
    urls = [web.put("/a.png", http(200, jpeg)), web.base + "/lost.jpg", web.put("/b", http(200, png))]
    rows, tar = _make(urls, ["Katze 猫", "gone", None])
    members = _members(tar)
    assert list(members) == [f"00000000{name}" for name in ("0.jpg", "0.txt", "0.json", "2.png", "2.json")]
    assert (members["000000000.jpg"], members["000000002.png"]) == (jpeg, png)
    assert members["000000000.txt"].decode() == "Katze 猫"
    assert json.loads(members["000000000.json"]) == {
        "caption": "Katze 猫",
        "url": urls[0],
        "key": "000000000",
        "status": "success",
        "error_message": None,
        "width": 60,
        "height": 40,
        "original_width": 60,
        "original_height": 40,
        "sha256": hashlib.sha256(jpeg).hexdigest(),
    }
    assert rows["reason"].to_pylist() == ["ok", "http_404", "ok"]
    assert rows["status"].to_pylist() == ["success", "failed_to_download", "success"]
    assert rows["caption"].to_pylist() == ["Katze 猫", "gone", None]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"<html><h1>moved</h1></html>", "not_an_image"),
        (SVG, "svg"),
        (flat_png(30_000, 30_000), "too_many_pixels"),
        (flat_png(1_500, 1_500), "too_many_pixels"),
        (flat_png(12, 12), "too_small"),
        (flat_png(20, 900), "bad_aspect"),
        (_image()[:-20], "ok"),  # its data end early, which is for `signatures` to find
        (_image("GIF"), "ok"),
        (_image("WEBP"), "ok"),
    ],
)
def test_the_header_decides(web: Web, body: bytes, reason: str) -> None:
    url = web.put("/a.jpg", http(200, body))
    rows, tar = _make([url], min_image_size=16, max_aspect_ratio=20, max_image_area=2_000_000)
    assert rows["reason"].to_pylist() == [reason]
    assert (len(_members(tar)) == 2) == (reason == "ok")


def test_the_tar_is_the_same_in_whatever_order_bodies_come(web: Web) -> None:
    waits = random.Random(1)

    def late(body: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
        async def answer(writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(waits.random() / 20)
            writer.write(http(200, body))

        return answer

    urls = [web.put(f"/{i}", late(_image(size=(40 + i, 40)))) for i in range(30)]
    at_once = _make(urls, max_per_host=30)
    in_turn = _make(urls, thread_count=1)
    assert at_once[0].equals(in_turn[0])
    assert at_once[1] == in_turn[1]
    assert list(_members(in_turn[1]))[::2] == [f"{i:09d}.jpg" for i in range(30)]


def test_no_urls_make_an_empty_shard() -> None:
    rows, tar = _make([])
    assert (rows.num_rows, _members(tar)) == (0, {})


def test_exif_only_when_asked_for(web: Web) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a cat"
    url = web.put("/a.jpg", http(200, _image(exif=exif)))
    assert _make([url])[0]["exif"].to_pylist() == [None]
    assert _make([url], extract_exif=True)[0]["exif"].to_pylist() == ['{"ImageDescription": "a cat"}']


@pytest.mark.parametrize(
    ("mode", "size", "result"),
    [
        ("keep_ratio", (60, 40), (48, 32)),
        ("keep_ratio_largest", (60, 40), (32, 21)),
        ("center_crop", (60, 40), (32, 32)),
        ("border", (60, 40), (32, 32)),
        ("border", (6, 4), (32, 32)),
    ],
)
def test_resize_modes(web: Web, mode: str, size: tuple[int, int], result: tuple[int, int]) -> None:
    url = web.put("/a.png", http(200, _image("PNG", size)))
    rows, tar = _make([url], resize_mode=mode, image_size=32)
    (row,) = rows.to_pylist()
    assert (row["width"], row["height"], row["original_width"], row["original_height"]) == (*result, *size)
    image = Image.open(io.BytesIO(_members(tar)["000000000.jpg"]))
    assert image.size == result
    assert np.abs(np.asarray(image)[result[1] // 2, result[0] // 2].astype(int) - (200, 30, 60)).max() < 8


def test_resizing_leaves_small_ones_alone_when_told(web: Web) -> None:
    jpeg = _image()
    url = web.put("/a.jpg", http(200, jpeg))
    how: dict[str, Any] = {
        "resize_mode": "keep_ratio",
        "image_size": 64,
        "resize_only_if_bigger": True,
        "skip_reencode": True,
    }
    assert _members(_make([url], **how)[1])["000000000.jpg"] == jpeg


def test_a_broken_image_fails_to_resize(web: Web) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    url = web.put("/a.jpg", http(200, file.getvalue()[:2000]))
    rows, tar = _make([url], resize_mode="border")
    assert rows.select(["status", "reason"]).to_pylist() == [{"status": "failed_to_resize", "reason": "truncated"}]
    assert _members(tar) == {}


def test_img2dataset_is_ended_when_its_time_is_over(web: Web) -> None:
    began = time.monotonic()
    with pytest.raises(CurateError, match="did not end in max_seconds"):
        _make([web.put("/a.jpg", http(200, _image()))], engine="img2dataset", max_seconds=0.5)
    assert time.monotonic() - began < 5


def test_img2dataset_gives_the_same_rows(web: Web) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(600):
            writer.write(b"x")
            await asyncio.sleep(0.05)

    urls = [
        web.put("/%C3%BC%20b.jpg", http(200, _image())).replace("%C3%BC%20b", "ü b"),
        "file:///etc/passwd",
        "http://127.0.0.2/a.jpg",
        web.put("/to", http(302, b"", "Location: http://10.0.0.1/")),
        web.put("/lost", http(404)),
        web.put("/noai", http(200, _image(), "X-Robots-Tag: noai")),
        web.put("/page", http(200, b"<html>")),
        web.put("/big", http(200, bytes(300_000))),
        web.put("/drip", drip),
        web.put("/b.jpg", http(200, _image("PNG"))),
    ]
    captions = [f"number {i}" for i in range(len(urls))]
    changes: dict[str, Any] = {"max_bytes": 200_000, "max_seconds": 120}
    ours, our_tar = _make(urls, captions, **changes)
    theirs, their_tar = _make(urls, captions, engine="img2dataset", **changes)
    assert ours.drop(["error_message"]).equals(theirs.drop(["error_message"]))
    assert our_tar == their_tar
    assert theirs["reason"].to_pylist() == [
        "ok",
        "forbidden_scheme",
        "forbidden_address",
        "forbidden_address",
        "http_404",
        "opted_out",
        "not_an_image",
        "too_many_bytes",
        "too_slow",
        "ok",
    ]
