"""The demo's web: a server on loopback that gives out FOLDER/site and, under special paths, the faults of a real web.

`python -m curate.demo.web FOLDER --port N` runs it by itself. Paths, where FILE is a path below `site`:
/FILE, /status/CODE/.., /later/CODE/FILE (once CODE, then the file), /moved/FILE, /loop/.., /to/WORD/.. (redirects to
`PLACES`), /noai/FILE, /members/FILE (disallowed by
/robots.txt), /cut/FILE (breaks off half way), /drip/.., /big/told/.., /big/untold/...
"""

from __future__ import annotations

import argparse
import contextlib
import json
import mimetypes
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from curate.errors import SourceError

LOOPBACK = "127.0.0.1"
BIG = 200 * 2**20
PLACES = {"private": "http://169.254.169.254/latest/meta-data/", "file": "file:///etc/passwd"}
ROBOTS = b"User-agent: *\nDisallow: /members/\n"

_PATIENCE_S = 10.0
_PORT_TAKEN = 3


class Addresses(NamedTuple):
    """Where the web is: the site, a host that accepts and never answers, and one that refuses (`http://HOST:PORT`)."""

    site: str
    silent: str
    refused: str


@contextlib.contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[Addresses]:
    """Serve FOLDER/site from a process of its own until the block ends, and not a moment longer.

    The first time it takes free ports (or `port` for the site) and remembers them in FOLDER/web.json; afterwards it
    takes the same ones, because the URL lists name them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "curate.demo.web", str(folder), "--port", str(port), "--until-stdin-closes"]
    # the pipe closes with this process however it ends, SIGKILL included, so that no server outlives its run
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (our own words)
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise SourceError(_why_not(folder, process.wait(_PATIENCE_S)))
            yield Addresses(**json.loads(line))
        finally:
            process.kill()


def _why_not(folder: Path, code: int) -> str:
    remembered = folder / "web.json"
    if code != _PORT_TAKEN:
        return f"the demo's web server for {folder} ended with code {code} before it answered; see its message above"
    ports = remembered.read_text("utf-8").strip() if remembered.exists() else "the port asked for"
    return (
        f"another program holds a port of the demo's web ({remembered}: {ports}), and the URL lists name these ports. "
        "End that program (another `curate demo` on this directory?), or give `--out` another directory"
    )


class _Server(ThreadingHTTPServer):
    """Serves `site`; remembers which URLs have had their one refusal."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, site: Path, held: socket.socket) -> None:
        self.site, self.refused_once, self.lock = site.resolve(), set[str](), threading.Lock()
        super().__init__(held.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = held
        self.server_activate()

    def first_time(self, path: str) -> bool:
        with self.lock:
            first = path not in self.refused_once
            self.refused_once.add(path)
        return first

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: a client that hangs up in the middle of a drip is what the demo wants to see."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024  # headers and body leave in one packet
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Answer by the path's first step; everything else is a file."""
        path = unquote(urlsplit(self.path).path)
        word, _, rest = path.lstrip("/").partition("/")
        special = getattr(self, f"_get_{word}", None) if rest else None
        if path == "/robots.txt":
            self._answer(200, ROBOTS, {"Content-Type": "text/plain"})
        elif special:
            special(rest)
        else:
            self._file(path)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the progress display owns the terminal."""

    def _headers(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self._headers(code, {"Content-Length": str(len(body)), **headers})
        self.wfile.write(body)

    def _file(self, path: str, headers: dict[str, str] | None = None) -> None:
        file = (self.server.site / path.lstrip("/")).resolve()
        if not (file.is_relative_to(self.server.site) and file.is_file()):
            self._answer(404, b"not found\n", {"Content-Type": "text/plain"})
            return
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        self._answer(200, file.read_bytes(), {"Content-Type": kind, **(headers or {})})

    def _get_status(self, rest: str) -> None:
        code = int(rest.partition("/")[0])
        self._answer(code, f"<html><h1>{code}</h1></html>".encode(), {"Content-Type": "text/html"})

    def _get_later(self, rest: str) -> None:
        code, _, file = rest.partition("/")
        if self.server.first_time(rest):
            self._answer(int(code), b"try again\n", {"Content-Type": "text/plain", "Retry-After": "1"})
        else:
            self._file(file)

    def _get_moved(self, rest: str) -> None:
        self._answer(302, b"", {"Location": f"/{rest}"})

    def _get_loop(self, rest: str) -> None:
        self._answer(302, b"", {"Location": "/loop/b.jpg" if rest == "a.jpg" else "/loop/a.jpg"})

    def _get_to(self, rest: str) -> None:
        self._answer(302, b"", {"Location": PLACES[rest.partition("/")[0]]})

    def _get_noai(self, rest: str) -> None:
        self._file(rest, {"X-Robots-Tag": "noai, noimageai"})

    def _get_members(self, rest: str) -> None:
        self._file(rest)

    def _get_cut(self, rest: str) -> None:
        body = (self.server.site / rest).read_bytes()
        self._answer(200, body[: len(body) // 2], {"Content-Type": "image/jpeg", "Content-Length": str(len(body))})
        self.close_connection = True

    def _get_drip(self, rest: str) -> None:
        """A byte now and then, for longer than anybody should wait."""
        self._headers(200, {"Content-Type": "image/jpeg", "Content-Length": "20000"})
        for byte in b"\xff\xd8" + bytes(19_998):
            self.wfile.write(bytes((byte,)))
            self.wfile.flush()
            time.sleep(0.25)

    def _get_big(self, rest: str) -> None:
        """200 MB, made while they are sent; `told` announces the length, anything else leaves the client to count."""
        length = {"Content-Length": str(BIG)} if rest.startswith("told") else {"Transfer-Encoding": "chunked"}
        self._headers(200, {"Content-Type": "image/jpeg", **length})
        block = b"\xff\xd8" + bytes(2**20 - 2)
        sent = block if rest.startswith("told") else b"%x\r\n%s\r\n" % (len(block), block)
        for _ in range(BIG // len(block)):
            self.wfile.write(sent)
        if not rest.startswith("told"):
            self.wfile.write(b"0\r\n\r\n")


def _held(port: int) -> socket.socket:
    """A socket bound to the port (0: any free one). Until it listens, whoever connects is refused."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + 3
    while True:
        try:
            holder.bind((LOOPBACK, port))
            return holder
        except OSError:  # the server of a run that was just killed may need a moment to go
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def main() -> int:
    """Serve until interrupted, or until stdin closes if so told; say the addresses as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m curate.demo.web", description="Serve the demo's web on loopback.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="port of the site, when FOLDER/web.json names none")
    parser.add_argument("--until-stdin-closes", action="store_true")
    asked = parser.parse_args()
    remembered = asked.folder / "web.json"
    ports = json.loads(remembered.read_text("utf-8")) if remembered.exists() else {"site": asked.port}
    try:
        held = {name: _held(ports.get(name, 0)) for name in Addresses._fields}
    except OSError as error:
        if not asked.until_stdin_closes:
            print(f"{asked.folder}: cannot listen on the ports {ports}: {error}", file=sys.stderr)  # noqa: T201
        return _PORT_TAKEN
    ports = {name: holder.getsockname()[1] for name, holder in held.items()}
    server = _Server(asked.folder / "site", held["site"])
    held["silent"].listen(256)
    remembered.write_text(json.dumps(ports) + "\n", "utf-8")
    print(json.dumps({name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}), flush=True)  # noqa: T201
    if asked.until_stdin_closes:
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever(poll_interval=0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
