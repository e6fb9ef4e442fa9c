"""What servers ask of robots: robots.txt (RFC 9309) and the X-Robots-Tag header."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from protego import Protego

NAME = "curate"
MAX_BYTES = 500 * 1024
"""B of a robots.txt that are read, as RFC 9309 asks for at least; the rest is ignored."""
_MEMORY = 8 * 2**20
_WITH_COLON = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
"""Directives that have a colon of their own, so that what stands before it is no robot's name."""

UNREACHABLE = frozenset(
    {"dns", "refused", "tls", "timeout", "too_slow", "incomplete", "network", "http_429", "http_5xx"}
)
"""With these the host is not asked for its images: they get this same reason, and are retried if it is one to retry.

Any other failure (4xx, too many redirects, a redirect to a forbidden place) means that there is no robots.txt, and all
is allowed. RFC 9309 calls 5xx and unreachable hosts "complete disallow"; so do we, under the name that tells why.
"""


class Rules:
    """One origin's robots.txt as it concerns us."""

    def __init__(self, body: bytes, tokens: Iterable[str]) -> None:
        self.size = len(body) + 1000
        self._tokens = tuple(tokens)
        self._parsed = Protego.parse(body[:MAX_BYTES].decode("utf-8", "replace").lstrip("\ufeff")) if body else None

    def allow(self, url: str) -> bool:
        """True when no group for us (or, failing that, for all robots) disallows the URL."""
        return self._parsed is None or all(self._parsed.can_fetch(url, token) for token in self._tokens)


class RulesBook:
    """The rules by origin; the least recently used go when their texts pass 8 MiB, and are fetched again if needed."""

    def __init__(self) -> None:
        self._rules: OrderedDict[str, Rules] = OrderedDict()
        self._size = 0

    def get(self, origin: str) -> Rules | None:
        if origin in self._rules:
            self._rules.move_to_end(origin)
        return self._rules.get(origin)

    def put(self, origin: str, rules: Rules) -> None:
        self._rules[origin] = rules
        self._size += rules.size
        while self._size > _MEMORY and len(self._rules) > 1:
            self._size -= self._rules.popitem(last=False)[1].size


def opted_out(values: Iterable[str], tokens: frozenset[str], disallowed: frozenset[str]) -> str | None:
    """The X-Robots-Tag value that forbids the use, if any: `WORDS`, or `ROBOT: WORDS` for one of our tokens."""
    for value in values:
        robot, colon, words = value.lower().partition(":")
        if not colon or "," in robot or robot.strip() in _WITH_COLON:
            robot, words = "", value.lower()
        if robot.strip() in tokens | {""} and any(word.strip() in disallowed for word in words.split(",")):
            return value.strip()
    return None
