"""The review's server answers its own page, and nobody else."""

from __future__ import annotations

import fcntl
import http.client
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from curate.errors import CurateError
from curate.report import write_report
from curate.review import verdicts
from curate.review.server import ReviewServer
from curate.review.settings import ReviewSettings
from curate.store import Store
from tests.runs import corpus, made, settings


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = corpus(tmp_path_factory.mktemp("served"))
    write_report(settings(folder, folder / "run"), made(folder, folder / "run"))
    return folder / "run"


@pytest.fixture
def store(finished: Path, tmp_path: Path) -> Store:
    return Store(str(shutil.copytree(finished, tmp_path / "run")))


@pytest.fixture
def server(store: Store) -> Iterator[ReviewServer]:
    with ReviewServer(ReviewSettings(), store, "ann") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(
    server: ReviewServer, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)) as connection:
        connection._validate_path = lambda url: None  # type: ignore[attr-defined]  # what no client would send, too
        connection._encode_request = lambda request: request.encode("latin-1")  # type: ignore[attr-defined]
        connection.putrequest(method, path, skip_host=True)
        for name, value in {"Host": server.hosts[0], **headers}.items():
            connection.putheader(name.replace("_", "-"), value)
        if body is not None and "Content_Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders((body or "").encode())
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()


def say(server: ReviewServer, body: object, **headers: str) -> int:
    host = headers.get("Host", server.hosts[0])
    given = {"Content_Type": "application/json", "Origin": f"http://{host}", **headers}
    text = body if isinstance(body, str) else json.dumps(body)
    return ask(server, f"/{server.token}/verdicts", "POST", text, **given)[0]


def good(server: ReviewServer) -> dict[str, str]:
    return {"pair": next(iter(server.sample.matches)), "verdict": "same"}


def test_whoever_has_the_address_gets_the_page_and_may_judge(server: ReviewServer) -> None:
    status, headers, page = ask(server, f"/{server.token}/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<body data-review>" in page
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not [name for name in headers if name.startswith("access-control")]
    for name in ("index", "0"):
        assert ask(server, f"/{server.token}/pairs/{name}.js")[2].startswith(b'take("')
    assert say(server, good(server)) == 200
    assert say(server, good(server), Host=server.hosts[1]) == 200
    told = json.loads(ask(server, f"/{server.token}/verdicts")[2])
    assert told["said"] == {good(server)["pair"]: "same"}
    assert told["review"]["whole"]["same"] == 1


@pytest.mark.parametrize(
    "path",
    [
        *("/", "", "//", "/wrong/", "/wrong/verdicts", "/TOKEN", "/TOKENx/", "/TOKEN/?a", "/TOKEN/run.json"),
        *("/TOKEN/../run.json", "/TOKEN/pairs/../x.js", "/TOKEN/pairs/%2e%2e/summary.json"),
        *("/TOKEN/pairs/٣.js", "/TOKEN/pairs/77.js"),
    ],
)
def test_nothing_else_is_served(server: ReviewServer, path: str) -> None:
    path = path.replace("TOKEN", server.token).encode().decode("latin-1")
    status, _, body = ask(server, path or "*")
    assert status == 404
    assert server.token.encode() not in body


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:PORT", ""])
def test_a_name_that_was_rebound_to_loopback_gets_nothing(server: ReviewServer, host: str) -> None:
    host = host.replace("PORT", str(server.server_address[1]))
    assert ask(server, f"/{server.token}/", Host=host)[0] == 421
    assert say(server, good(server), Host=host) == 421


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_not_known(server: ReviewServer, method: str) -> None:
    assert ask(server, f"/{server.token}/verdicts", method)[0] == 501


def test_what_another_page_can_send_is_refused(server: ReviewServer) -> None:
    body = json.dumps(good(server))
    path = f"/{server.token}/verdicts"
    assert say(server, good(server), Origin="http://evil.example") == 403
    assert say(server, good(server), Origin="null") == 403
    assert say(server, good(server), Origin=f"http://{server.hosts[1]}") == 403
    assert ask(server, path, "POST", body, Content_Type="application/json")[0] == 403
    assert say(server, good(server), Content_Type="text/plain") == 415
    assert verdicts.read(server.store).num_rows == 0


@pytest.mark.parametrize(
    "body",
    ["", "x", "[]", "null", "{}", '{"pair": "0", "verdict": "same"}', "[" * 4000, '{"pair": [], "verdict": "same"}'],
)
def test_what_is_no_verdict_is_refused(server: ReviewServer, body: str) -> None:
    assert say(server, body) == 400
    assert say(server, {**good(server), "verdict": "maybe"}) == 400
    assert say(server, {**good(server), "verdict": ["same"]}) == 400
    assert verdicts.read(server.store).num_rows == 0


@pytest.mark.parametrize("length", ["99999", "-1", "1e3", "²", ""])
def test_a_length_that_cannot_be_is_refused_before_reading(server: ReviewServer, length: str) -> None:
    length = length.encode().decode("latin-1")
    assert say(server, good(server), Content_Length=length) == 413


def test_while_a_run_works_nothing_is_judged(server: ReviewServer) -> None:
    with Path(server.store.path(".lock")).open("a+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert say(server, good(server)) == 409
    assert verdicts.read(server.store).num_rows == 0
    assert say(server, good(server)) == 200


def test_it_listens_on_loopback_only(server: ReviewServer, store: Store) -> None:
    assert server.server_address[0] == "127.0.0.1"
    taken = int(server.server_address[1])
    with pytest.raises(CurateError, match=f"port {taken} of 127.0.0.1: "):
        ReviewServer(ReviewSettings(), store, "ann", taken)


def test_a_page_of_other_matches_is_refused(store: Store) -> None:
    told = store.read_json("report", "summary.json")
    assert told
    for stage in told["stages"]:
        stage["content"] = "other"
    store.write_json(told, "report", "summary.json")
    with pytest.raises(CurateError, match="say `curate report RUN` first"):
        ReviewServer(ReviewSettings(), store, "ann")
    store.delete("report", "summary.json")
    with pytest.raises(CurateError, match="say `curate report RUN` first"):
        ReviewServer(ReviewSettings(), store, "ann")
