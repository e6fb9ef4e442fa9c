"""URLs as people write them -> URLs as they are sent: parsed and percent-encoded the way browsers do (WHATWG)."""

from __future__ import annotations

import ipaddress
import re
import socket
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin

import idna


class Refusal(NamedTuple):
    """Why there is no body: a word of the closed list of statuses, and a detail."""

    reason: str
    message: str


class Location(NamedTuple):
    """A URL ready to be sent. `host` is ASCII and without brackets; `literal` when it is an IP address."""

    url: str
    origin: str
    host: str
    port: int
    literal: bool


_PLAIN = re.compile(r"(https?)://((?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*)(/[A-Za-z0-9/:@!$&'()*+,;=~._-]*)")
"""Most of what lists hold: nothing to encode, no port, a host that cannot be an IP address."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ENCODED = re.compile(r"[A-Za-z0-9/:@!$&()*+,;=~._%-]*")
_AROUND = "".join(map(chr, range(33)))
_DROPPED = dict.fromkeys(map(ord, "\t\r\n"))
_NOT_IN_HOST = re.compile(r"[\x00-\x20\x7f#%/:<>?@\[\\\]^|\"`{}]")
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.DOTALL)
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
_IN_USER = "%:!$&'()*+,;=~"
_IN_PATH = "%/:@!$&'()*+,;=~[]|"
_IN_QUERY = "%/:@!$&()*+,;=~[]|?\\^`{}"
_LONGEST_HOST = 253
_LONGEST = 16_000


def parse(url: str) -> Location | Refusal:
    """Read a URL; `bad_url` or `forbidden_scheme` when it is not one for http or https."""
    plain = _PLAIN.fullmatch(url)
    if plain and "/." not in url and len(plain[2]) <= _LONGEST_HOST and len(url) <= _LONGEST:
        scheme, host, _ = plain.groups()
        return Location(url, f"{scheme}://{host}:{_PORTS[scheme]}", host, _PORTS[scheme], False)
    text = url.strip(_AROUND).translate(_DROPPED)
    scheme_match = _SCHEME.match(text)
    if not scheme_match:
        return Refusal("bad_url", "no scheme" if text else "no URL")
    if scheme_match[1].lower() not in _PORTS:
        return Refusal("forbidden_scheme", f"{scheme_match[1].lower()}:")
    return _parse_rest(scheme_match[1].lower(), text[scheme_match.end() :])


def join(base: Location, reference: str) -> Location | Refusal:
    """Resolve a redirect's `Location:` against the URL that sent it."""
    try:
        return parse(urljoin(base.url, reference.strip(_AROUND).translate(_DROPPED)))
    except ValueError as error:
        return Refusal("bad_url", str(error))


def _parse_rest(scheme: str, rest: str) -> Location | Refusal:
    rest = rest.partition("#")[0]
    rest, mark, query = rest.partition("?")
    authority, _, path = rest.replace("\\", "/").lstrip("/").partition("/")
    user, at, place = authority.rpartition("@")
    # the port is behind the last colon, unless that is one of an IPv6 address
    name, digits = (place, "") if place.endswith("]") or ":" not in place else place.rsplit(":", 1)
    host = _host(name)
    if host is None:
        return Refusal("bad_url", f"no valid host: {name[:100]!r}")
    if digits and not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65536):
        return Refusal("bad_url", f"no valid port: {digits[:20]!r}")
    port = int(digits) if digits else _PORTS[scheme]
    shown = f"[{host}]" if ":" in host else host
    where = shown if port == _PORTS[scheme] else f"{shown}:{port}"
    before = quote(user, safe=_IN_USER, errors="replace") + at
    path = _without_dots("/" + _encode(path, _IN_PATH))
    whole = f"{scheme}://{before}{where}{path}{mark}{_encode(query, _IN_QUERY)}"
    if len(whole) > _LONGEST:
        return Refusal("bad_url", f"longer than {_LONGEST} characters")
    return Location(whole, f"{scheme}://{shown}:{port}", host, port, literal=_is_literal(host))


@lru_cache(4096)
def _host(name: str) -> str | None:
    """The host in ASCII: IDNA by UTS 46, IPv4 in any notation as four decimals, IPv6 without brackets; None if none."""
    try:
        if name.startswith("["):
            return str(ipaddress.IPv6Address(name[1:-1])) if name.endswith("]") and "%" not in name else None
        name = unquote(name, errors="strict")
        if len(name) > _LONGEST_HOST:
            return None
        name = (name if name.isascii() else _idna(name)).lower()
        if not name.strip(".") or ".." in name or name.startswith(".") or _NOT_IN_HOST.search(name):
            return None
        # what getaddrinfo would take for an address is one for us too: 0x7f.1, 2130706433, 0177.0.0.1
        return socket.inet_ntoa(socket.inet_aton(name.rstrip("."))) if _ENDS_IN_NUMBER.fullmatch(name) else name
    except (ValueError, OSError):  # of idna, ipaddress, unquote; of inet_aton
        return None


def _encode(text: str, safe: str) -> str:
    """Percent-encode what is not `safe` and not encoded yet (a `%` stays as it is)."""
    return text if _ENCODED.fullmatch(text) else quote(text, safe=safe, errors="replace")


def _idna(name: str) -> str:
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        return name.encode("idna").decode("ascii")  # IDNA 2003 still knows the emoji domains, as browsers do


def _is_literal(host: str) -> bool:
    return ":" in host or _ENDS_IN_NUMBER.fullmatch(host) is not None


def _without_dots(path: str) -> str:
    """Resolve `.` and `..` steps, so that robots.txt is asked for the path that is fetched."""
    if not _DOTS.search(path):
        return path
    steps: list[str] = []
    parts = path.split("/")[1:]
    for number, step in enumerate(parts):
        plain = step.lower().replace("%2e", ".")
        if plain == ".." and steps:
            steps.pop()
        if plain not in (".", ".."):
            steps.append(step)
        elif number == len(parts) - 1:
            steps.append("")
    return "/" + "/".join(steps)
