"""One HTTP request on one libcurl handle: what it may connect to, what is read of the answer, and what came of it."""

from __future__ import annotations

import os
import socket
from io import BytesIO
from typing import Any

import pycurl

from curate import __version__
from curate.fetch import answers, robots
from curate.fetch.addresses import Gate
from curate.fetch.answers import Answer
from curate.fetch.locations import Location, Refusal
from curate.fetch.settings import FetchSettings

_STEP = 64 * 1024
_DRAINED = 64 * 1024
"""B of an error page that are read and thrown away to keep the connection usable; longer ones cost the connection."""
_ABORT = -1
_OTHER = {ord(c) for c in "AaBbCcDdEeFfGgIiJjKkMmNnOoPpQqSsTtUuVvWwYyZz"}
"""First letters of header lines that cannot matter here (HTTP/, Location, Retry-After, X-Robots-Tag do)."""


class Room:
    """The memory that bodies may take together, B."""

    def __init__(self, size: int) -> None:
        self.free = size

    def take(self, size: int) -> bool:
        """Reserve `size` B; False, and nothing reserved, when there is no room."""
        if size > self.free:
            return False
        self.free -= size
        return True

    def give(self, size: int) -> None:
        self.free += size


class Transfer:
    """A libcurl handle that is used again and again, and the state of the request that it is on."""

    def __init__(self, settings: FetchSettings, gate: Gate, room: Room) -> None:
        self._settings, self._gate, self._room = settings, gate, room
        self._tokens = frozenset({robots.NAME, (settings.user_agent_token or robots.NAME).lower()})
        self._disallowed = frozenset(settings.disallowed_header_directives)
        self.job: Any = None
        self.reserved = 0
        self._opened: list[socket.socket] = []
        self.curl = _handle(settings)
        self.curl.transfer = self
        self.curl.setopt(pycurl.HEADERFUNCTION, self._header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._write)
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)

    def begin(self, at: Location, addresses: list[str], seconds: float, max_bytes: int) -> None:
        """Set up a GET of `at`, connecting to `addresses`, with a deadline in `seconds` and a cap on the body."""
        self._seconds, self._cap = seconds, max_bytes
        self._body, self._size, self._drained = BytesIO(), 0, 0
        self._status, self._arriving, self._head_done = 0, False, False
        self._target: str | None = None
        self._retry_after, self._tags = "", list[str]()
        self._stop: Refusal | None = None
        self._shut: str | None = None
        self.crowded = False
        if not at.literal:
            self.curl.setopt(pycurl.RESOLVE, [f"+{at.host}:{at.port}:{','.join(addresses)}"])
        self.curl.setopt(pycurl.URL, at.url)
        self.curl.setopt(pycurl.TIMEOUT_MS, max(1, int(seconds * 1000)))

    def end(self, code: int, text: str) -> Answer:
        """What came of it, given libcurl's error code (0: none). An answer's status counts even if its body failed."""
        while self._opened:  # libcurl works on duplicates
            self._opened.pop().close()
        body, self._body = self._body.getvalue(), BytesIO()
        if self._stop:
            return Answer(*self._stop, body)
        if self._head_done and not self._wanted():
            return self._unwanted()
        if not code:
            return Answer("ok", body=body) if body else Answer("empty", f"HTTP {self._status} without a body")
        return self._broken(code, text)

    def _broken(self, code: int, text: str) -> Answer:
        if code == pycurl.E_FILESIZE_EXCEEDED:
            return Answer("too_many_bytes", self._too_many())
        if self._shut and code == pycurl.E_COULDNT_CONNECT:
            return Answer("forbidden_address", self._shut)
        if code == pycurl.E_OPERATION_TIMEDOUT:
            return Answer(*answers.of_timeout(self._arriving, self._settings.timeout))
        return Answer(*answers.of_error(code, text, self._head_done))

    def close(self) -> None:
        """Let go of the handle, whatever it was doing."""
        while self._opened:
            self._opened.pop().close()
        self.curl.close()

    def seconds(self) -> float:
        """What the last transfer took, s."""
        return float(self.curl.getinfo(pycurl.TOTAL_TIME))

    def release(self) -> int:
        """Hand over the memory reserved for the body, B."""
        size, self.reserved = self.reserved, 0
        return size

    def _unwanted(self) -> Answer:
        if self._status in answers.REDIRECTS and self._target is not None:
            return Answer("redirect", target=self._target)
        refusal = answers.of_status(self._status)
        return Answer(*refusal, retry_after=answers.retry_after(self._retry_after))

    def _too_many(self) -> str:
        return f"more than {self._cap} B"

    def _wanted(self) -> bool:
        return 200 <= self._status < 300

    def _header(self, line: bytes) -> int | None:
        """Read one header line; stop the transfer when the answer opts out."""
        self._arriving = True
        if line[0] in _OTHER:
            return None
        if line.startswith(b"HTTP/"):  # also the final answer behind a 100 Continue
            self._status = int(line[9:12]) if line[9:12].isdigit() else 0
            self._target, self._retry_after, self._tags, self._head_done = None, "", [], False
        elif line in (b"\r\n", b"\n"):
            self._head_done = self._status >= 200
            return self._judge_tags()
        else:
            self._keep(line)
        return None

    def _keep(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name == b"location":
            self._target = _text(value)
        elif name == b"retry-after":
            self._retry_after = _text(value)
        elif name == b"x-robots-tag":
            self._tags.append(_text(value))

    def _judge_tags(self) -> int | None:
        if self._tags and self._wanted() and not self.job.robots_for:
            tag = robots.opted_out(self._tags, self._tokens, self._disallowed)
            if tag:
                self._stop = Refusal("opted_out", f"X-Robots-Tag: {tag}"[:200])
                return _ABORT
        return None

    def _write(self, chunk: bytes) -> int | None:
        """Take a piece of the body within the caps; drop that of a redirect or an error page."""
        if not self._wanted():
            self._drained += len(chunk)
            return None if self._drained <= _DRAINED else _ABORT
        size = self._size + len(chunk)
        if size > self._cap:
            self._stop = Refusal("too_many_bytes", self._too_many())
            return _ABORT
        if size > self.reserved:
            # in steps that grow with the body, so that small ones cost little room and large ones few steps
            more = min(max(size, _STEP, 2 * self.reserved), self._cap) - self.reserved
            if not self._room.take(more):
                self.crowded = True
                return _ABORT
            self.reserved += more
        self._body.write(chunk)
        self._size = size
        return None

    def _open_socket(self, purpose: int, address: Any) -> Any:
        """Open a socket only to an address that is allowed: the one really connected to, whatever DNS said before."""
        family, kind, protocol, place = address
        if family not in (socket.AF_INET, socket.AF_INET6) or not self._gate.allows(place[0]):
            self._shut = str(place[0] if isinstance(place, tuple) else place)
            return pycurl.SOCKET_BAD
        self._opened.append(socket.socket(family, kind, protocol))
        return self._opened[-1]


def _handle(settings: FetchSettings) -> pycurl.Curl:
    curl = pycurl.Curl()
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.PROXY, "")  # a proxy of the environment would connect for us, past the address check
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.MAXFILESIZE_LARGE, settings.max_bytes)
    curl.setopt(pycurl.BUFFERSIZE, _STEP)
    curl.setopt(pycurl.USERAGENT, user_agent(settings))
    curl.setopt(pycurl.HTTPHEADER, ["Accept: image/*,*/*;q=0.8"])
    authorities = _authorities()
    if authorities:
        curl.setopt(pycurl.CAINFO, authorities)
    return curl


def user_agent(settings: FetchSettings) -> str:
    """Who we say we are: `curate/VERSION (+CONTACT)`, and the token that robots.txt may know us by."""
    token = f"{settings.user_agent_token}; " if settings.user_agent_token else ""
    return f"{robots.NAME}/{__version__} ({token}+{settings.contact})"


def _authorities() -> str | None:
    """The system's certificate authorities: the wheel's own OpenSSL looks for them where it was built."""
    named = os.environ.get("SSL_CERT_FILE")
    usual = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    return named or next((path for path in usual if os.path.exists(path)), None)


def _text(value: bytes) -> str:
    """A header's value: UTF-8 where it is that, else Latin-1."""
    value = value.strip()
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
