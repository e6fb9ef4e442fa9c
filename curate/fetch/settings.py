"""What a download may do: whom it says it is, where it may go, and the caps that hold whatever the servers send."""

from __future__ import annotations

import ipaddress
import re
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from curate.config import Settings


class FetchSettings(Settings):
    """How URLs are fetched. Names are img2dataset's where it has the option."""

    how_not_what: ClassVar[frozenset[str]] = frozenset(
        {
            "contact",
            "thread_count",
            "dns_threads",
            "max_per_host",
            "max_buffered_bytes",
            "backoff",
            "max_retry_after",
            "max_seconds",
        }
    )

    contact: str = Field(description="mail address or URL of whoever answers for the download; sent to every server")
    user_agent_token: str | None = Field(None, description="name that robots.txt and X-Robots-Tag may call us by")
    disallowed_header_directives: tuple[str, ...] = Field(
        ("noai", "noimageai", "noindex", "noimageindex"), description="X-Robots-Tag words that forbid the use"
    )
    respect_robots_txt: bool = Field(True, description="ask each host's robots.txt first")
    allow_networks: tuple[str, ...] = Field((), description="CIDR blocks that may be fetched from though not public")
    timeout: float = Field(10, gt=0, le=600, description="s, for one whole attempt, redirects included, queues not")
    retries: int = Field(2, ge=0, le=10, description="further rounds for what may pass: dns, time-outs, 429, 5xx, ...")
    backoff: float = Field(1, ge=0, le=60, description="s before the first further round; doubles each round")
    max_retry_after: float = Field(30, ge=0, description="s, the longest that a server's Retry-After is obeyed")
    max_redirects: int = Field(10, ge=0, le=50, description="hops that one URL may take")
    max_bytes: int = Field(50 * 2**20, ge=1, description="B, the largest body")
    max_buffered_bytes: int = Field(512 * 2**20, ge=1, description="B, bodies held at once, unfinished ones included")
    thread_count: int = Field(256, ge=1, le=1024, description="transfers at once (no threads: the name is kept)")
    dns_threads: int = Field(8, ge=1, le=256, description="names looked up at once; many name servers drop bursts")
    max_per_host: int = Field(8, ge=1, description="transfers at once from one host")
    max_seconds: float = Field(3600, gt=0, description="s for one slice of the list; what is unfinished then fails")

    @field_validator("contact")
    @classmethod
    def _reachable(cls, contact: str) -> str:
        if not re.fullmatch(r"(https?://[!-'*-~]+|[!-'*-~]+@[!-'*-~]+)", contact):
            raise ValueError("want a mail address or a URL, so that a server's owner can reach you")
        return contact

    @field_validator("user_agent_token")
    @classmethod
    def _plain_token(cls, token: str | None) -> str | None:
        if token is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", token):
            raise ValueError("want letters, digits, - and _ only")
        return token

    @field_validator("disallowed_header_directives")
    @classmethod
    def _lower(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word.strip().lower() for word in words)

    @field_validator("allow_networks")
    @classmethod
    def _networks(cls, blocks: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(block)) for block in blocks)

    @model_validator(mode="after")
    def _one_body_fits(self) -> FetchSettings:
        if self.max_buffered_bytes < self.max_bytes:
            raise ValueError("max_buffered_bytes is below max_bytes: not even one body would fit")
        return self
