"""The demo's server answers each special path with the fault it promises, and ends with whoever started it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from curate.demo.web import BIG, PLACES, Addresses, serving
from curate.errors import SourceError

BODY = b"\xff\xd8" + bytes(range(256)) * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("web")
    (folder / "site").mkdir()
    (folder / "secret.txt").write_text("not part of the site")
    for name in ("a.jpg", "café 写真.jpg"):
        (folder / "site" / name).write_bytes(BODY)
    return folder


@pytest.fixture(scope="module")
def at(folder: Path) -> Iterator[Addresses]:
    with serving(folder) as addresses:
        yield addresses


@pytest.fixture
def line(at: Addresses) -> Iterator[http.client.HTTPConnection]:
    with closing(_connection(at.site)) as line:
        yield line


def _connection(address: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(address).netloc, timeout=2)


def _get(line: http.client.HTTPConnection, path: str) -> tuple[int, bytes, http.client.HTTPMessage]:
    line.request("GET", path)
    answer = line.getresponse()
    return answer.status, answer.read(), answer.headers


def test_files_come_whole_over_one_connection(line: http.client.HTTPConnection) -> None:
    for path in ("/a.jpg", quote("/café 写真.jpg"), "/a.jpg"):
        code, body, headers = _get(line, path)
        assert (code, body, headers["Content-Type"]) == (200, BODY, "image/jpeg")
    assert line.sock is not None, "the server closed a connection it should keep alive"


@pytest.mark.parametrize("code", [401, 403, 410, 451, 500])
def test_status_paths_answer_with_their_code(line: http.client.HTTPConnection, code: int) -> None:
    assert _get(line, f"/status/{code}/x.jpg")[0] == code


@pytest.mark.parametrize(
    "path", ["/none.jpg", "/../secret.txt", "/%2e%2e/secret.txt", "/moved", "/noai/../../secret.txt"]
)
def test_what_is_not_on_the_site_is_not_found(line: http.client.HTTPConnection, path: str) -> None:
    assert _get(line, path)[0] == 404


def test_the_first_request_is_refused_and_the_next_is_answered(at: Addresses) -> None:
    for code, expected in ((429, [429, 200, 200]), (503, [503, 200, 200])):
        got = []
        for _ in expected:
            with closing(
                _connection(at.site)
            ) as line:  # another client each time: the server remembers, not the client
                status, _, headers = _get(line, f"/later/{code}/a.jpg")
                got.append(status)
                assert (headers["Retry-After"] == "1") == (status != 200)
        assert got == expected


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/moved/a.jpg", "/a.jpg"),
        ("/loop/a.jpg", "/loop/b.jpg"),
        ("/loop/b.jpg", "/loop/a.jpg"),
        ("/to/private/a.jpg", PLACES["private"]),
        ("/to/file/a.jpg", PLACES["file"]),
    ],
)
def test_redirects_lead_where_they_should(line: http.client.HTTPConnection, path: str, to: str) -> None:
    code, _, headers = _get(line, path)
    assert (code, headers["Location"]) == (302, to)


def test_opt_outs_are_told_beside_a_good_picture(line: http.client.HTTPConnection) -> None:
    assert b"Disallow: /members/" in _get(line, "/robots.txt")[1]
    assert _get(line, "/members/a.jpg")[1] == BODY
    _, body, headers = _get(line, "/noai/a.jpg")
    assert body == BODY
    assert "noai" in headers["X-Robots-Tag"]


def test_a_cut_body_ends_half_way(line: http.client.HTTPConnection) -> None:
    with pytest.raises(http.client.IncompleteRead) as caught:
        _get(line, "/cut/a.jpg")
    assert caught.value.partial == BODY[: len(BODY) // 2]


def test_a_drip_keeps_dripping(line: http.client.HTTPConnection) -> None:
    line.request("GET", "/drip/x.jpg")
    answer, start = line.getresponse(), time.monotonic()
    assert answer.read(4) == b"\xff\xd8\0\0"
    assert time.monotonic() - start > 0.4
    answer.close()


@pytest.mark.parametrize("word", ["told", "untold"])
def test_big_bodies_are_200_mb(at: Addresses, word: str) -> None:
    with closing(_connection(at.site)) as line:
        line.request("GET", f"/big/{word}/a.jpg")
        answer, total = line.getresponse(), 0
        assert answer.headers["Content-Length"] == (str(BIG) if word == "told" else None)
        while block := answer.read(2**20):
            total += len(block)
        assert total == BIG


def test_one_host_says_nothing_and_one_refuses(at: Addresses) -> None:
    with closing(_connection(at.silent)) as line, pytest.raises(TimeoutError):
        _get(line, "/x.jpg")
    with closing(_connection(at.refused)) as line, pytest.raises(ConnectionRefusedError):
        _get(line, "/x.jpg")


def test_a_second_time_it_takes_the_same_ports(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        pass
    with closing(_connection(first.site)) as line, pytest.raises(ConnectionRefusedError):
        _get(line, "/x.jpg")
    with serving(tmp_path) as second:
        assert second == first


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        pass
    with socket.socket() as other:
        other.bind(("127.0.0.1", port := urlsplit(first.site).port or 0))
        other.listen()
        with pytest.raises(SourceError, match=rf"web\.json.*{port}.*another directory"), serving(tmp_path):
            pass


def test_the_server_ends_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from curate.demo.web import serving\n"
        "with serving(Path(sys.argv[1])) as at: print(at.site, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_with_curate()) as parent:
        assert parent.stdout is not None
        site = parent.stdout.readline().strip()
        parent.send_signal(signal.SIGKILL)
    with serving(tmp_path) as again:
        assert again.site == site


def _with_curate() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
