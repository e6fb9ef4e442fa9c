"""The page served for review, on loopback, to whoever holds the token in its address, and to no other origin.

`GET /TOKEN/` is the page, `GET /TOKEN/pairs/NAME.js` its pairs, `GET` and `POST /TOKEN/verdicts` what was said. Not
answered: another Host (a name rebound to loopback), a path without the token, and a POST of another origin or in
another form than JSON, which no foreign page can send unasked.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any, ClassVar

from curate.errors import CurateError
from curate.review.settings import ReviewSettings
from curate.review.summary import draw, page_data
from curate.review.verdicts import append, judged
from curate.store import Store

_HOST = "127.0.0.1"
_MOST = 4096
"""Bytes of a verdict's request."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class ReviewServer(ThreadingHTTPServer):
    """Serves one run's page on loopback until it is shut down; `url` is what the reviewer opens."""

    daemon_threads = True
    token: str

    def __init__(self, settings: ReviewSettings, store: Store, reviewer: str, port: int = 0) -> None:
        """Bind to a port (0: one that is free); CurateError when it is taken, or the page is missing or outdated."""
        self.store, self.reviewer = store, reviewer
        self.page = _page(store)
        self.sample = draw(settings, store)
        self.lock = Lock()
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((_HOST, port), _Handler)
        except OSError as error:
            raise CurateError(f"port {port} of {_HOST}: {error.strerror}; choose another --port, or none") from None
        names = (_HOST, "localhost")  # the second for those who come through a tunnel
        self.hosts = [f"{name}:{self.server_address[1]}" for name in names]
        self.url = f"http://{self.hosts[0]}/{self.token}/"

    def said(self) -> dict[str, Any]:
        """What was said so far, and what it says of the audit."""
        return page_data(self.sample, self.store)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away in the middle; of anything else, what went wrong."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Refused(Exception):  # noqa: N818 - an answer, no error
    """What is answered instead."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status, self.why = status, why
        super().__init__(why)


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "curate", ""
    timeout = 30
    kinds: ClassVar[dict[str, str]] = {"html": "text/html", "js": "text/javascript", "json": "application/json"}

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the address holds the token."""

    def _answer(self, make: Callable[[str], tuple[str, bytes]]) -> None:
        try:
            kind, body = make(self._path())
            self._send(HTTPStatus.OK, kind, body)
        except _Refused as refused:
            self.close_connection = True  # its body, if any, was not read
            self._send(refused.status, "json", json.dumps({"why": refused.why}).encode())
        except CurateError as error:
            self.close_connection = True
            self._send(HTTPStatus.CONFLICT, "json", json.dumps({"why": str(error)}).encode())

    def _path(self) -> str:
        """The path behind the token; refused without it, or under another name than loopback's own."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0] not in self.server.hosts:
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, "not this host")
        _, token, *rest = f"{self.path}/".split("/", 2)
        if not hmac.compare_digest(token.encode(), self.server.token.encode()) or not rest[0]:
            raise _Refused(HTTPStatus.NOT_FOUND, "nothing here; open the address that curate review printed")
        return rest[0].removesuffix("/")

    def _get(self, path: str) -> tuple[str, bytes]:
        if path == "":
            return "html", self.server.page
        if path == "verdicts":
            return "json", json.dumps(self.server.said()).encode()
        if re.fullmatch(r"pairs/(index|\d{1,9})\.js", path, re.ASCII):
            try:
                return "js", bytes(self.server.store.fs.cat_file(self.server.store.path("report", path)))
            except FileNotFoundError:
                pass
        raise _Refused(HTTPStatus.NOT_FOUND, "nothing here")

    def _post(self, path: str) -> tuple[str, bytes]:
        if path != "verdicts":
            raise _Refused(HTTPStatus.NOT_FOUND, "nothing here")
        if self.headers.get_all("Origin") != [f"http://{self.headers['Host']}"]:
            raise _Refused(HTTPStatus.FORBIDDEN, "not from this page")
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "want application/json")
        match, verdict = self._verdict()
        with self.server.lock:
            append(self.server.store, judged(match, verdict, self.server.reviewer))
            return "json", json.dumps(self.server.said()).encode()

    def _verdict(self) -> tuple[dict[str, Any], str]:
        """The match that is judged, and the word; refused what is no match of this run or no word of the list."""
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"\d{1,9}", length, re.ASCII) or int(length) > _MOST:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"want Content-Length, at most {_MOST}")
        try:
            told = json.loads(self.rfile.read(int(length)))
            match, verdict = self.server.sample.matches[told["pair"]], told["verdict"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST, "want {pair, verdict} of a match of this run") from None
        if verdict not in ("same", "different", "unsure", "withdrawn"):
            raise _Refused(HTTPStatus.BAD_REQUEST, "no such verdict")
        return match, verdict

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{self.kinds[kind]}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


def _page(store: Store) -> bytes:
    """The page, told that it is served; CurateError where there is none, or it shows other matches than there are."""
    summary = store.read_json("report", "summary.json")
    manifest = store.read_json("contamination", "manifest.json")
    content = {stage["name"]: stage["content"] for stage in (summary or {}).get("stages", ())}
    if manifest is None or content.get("contamination") != manifest["content"]:
        raise CurateError(
            f"{store.path('report')}: not the page of the matches there are; say `curate report RUN` first"
        )
    page: bytes = store.fs.cat_file(store.path("report", "index.html"))
    return page.replace(b"<body>", b"<body data-review>", 1)
