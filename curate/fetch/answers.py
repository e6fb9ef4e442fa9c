"""What an HTTP status or a libcurl error means in the words of `schemas/statuses.toml`."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import pycurl

from curate.fetch.locations import Refusal


class Answer(NamedTuple):
    """How one hop ended. `target` is a redirect's Location; `retry_after` in s is for waiting and never for a row."""

    reason: str
    message: str = ""
    body: bytes = b""
    target: str | None = None
    retry_after: float = 0.0


REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OWN_WORD = frozenset({401, 403, 404, 410, 429})
_TLS = frozenset(
    {
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_ENGINE_NOTFOUND,
        pycurl.E_SSL_ENGINE_INITFAILED,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_INVALIDCERTSTATUS,
    }
)
_WORDS = {
    pycurl.E_URL_MALFORMAT: "bad_url",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns",
    pycurl.E_COULDNT_CONNECT: "refused",
    pycurl.E_PARTIAL_FILE: "incomplete",
}
_DURATION = re.compile(r" after \d+ (ms|milliseconds)|^\[[^]]*\] ")


def of_status(status: int) -> Refusal:
    """The reason that an HTTP status other than success stands for."""
    message = f"HTTP {status}"
    if status in _OWN_WORD:
        return Refusal(f"http_{status}", message)
    if 300 <= status < 500:
        return Refusal("http_4xx", message)
    return Refusal("http_5xx" if 500 <= status < 600 else "network", message)


def of_error(code: int, text: str, in_body: bool) -> Refusal:
    """The reason that a libcurl error stands for; `in_body` when the head had come whole. No durations in it."""
    message = _DURATION.sub("", text)[:200]
    if code == pycurl.E_RECV_ERROR and in_body:
        return Refusal("incomplete", message)
    return Refusal("tls" if code in _TLS else _WORDS.get(code, "network"), message)


def of_timeout(arriving: bool, timeout: float) -> Refusal:
    """The reason when an attempt has used up its `timeout` (s)."""
    if arriving:
        return Refusal("too_slow", f"not complete in {timeout:g} s")
    return Refusal("timeout", f"no answer in {timeout:g} s")


def retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks to wait, given as seconds or as a date; 0 when it cannot be read."""
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
