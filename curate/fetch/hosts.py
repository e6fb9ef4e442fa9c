"""Who may be asked next: hosts in turn, each with so many transfers at once, and left alone while it asked for it."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from curate.fetch.locations import Location

GIVE_UP_AFTER = 32
"""Attempts in a row that an origin left unanswered, after which its other URLs of that round are not tried."""


@dataclass(slots=True)
class Job:
    """One URL on its way, or one robots.txt (`robots_for` its origin). `left` is what its deadline still grants, s."""

    index: int
    start: Location
    at: Location
    left: float
    attempt: int = 0
    hops: list[str] = field(default_factory=list)
    robots_for: str | None = None
    roomy: bool = False


class Host:
    """The queue of one host. `addresses` are those that may be connected to; None until the name is resolved."""

    __slots__ = ("active", "addresses", "asked", "listed", "name", "queue", "rest_until", "unanswered")

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: deque[Job] = deque()
        self.active = 0
        self.addresses: list[str] | None = None
        self.asked = self.listed = False
        self.rest_until = 0.0
        self.unanswered: Counter[tuple[str, int]] = Counter()

    def take_all(self) -> list[Job]:
        """Empty the queue."""
        jobs = list(self.queue)
        self.queue.clear()
        return jobs

    def take_like(self, job: Job) -> list[Job]:
        """Take the queued jobs of the same origin and round out of the queue."""
        alike = [other for other in self.queue if (other.at.origin, other.attempt) == (job.at.origin, job.attempt)]
        self.queue = deque(
            other for other in self.queue if (other.at.origin, other.attempt) != (job.at.origin, job.attempt)
        )
        return alike


class Hosts:
    """All hosts; `pop` takes turns between them."""

    def __init__(self, max_per_host: int) -> None:
        self._max_per_host = max_per_host
        self._hosts: dict[str, Host] = {}
        self._turn: deque[Host] = deque()

    def of(self, name: str) -> Host:
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = Host(name)
        return host

    def offer(self, host: Host) -> None:
        """Put a host in the line if it has something that may start now."""
        if host.listed or not host.queue or host.addresses is None or host.active >= self._max_per_host:
            return
        if host.rest_until <= time.monotonic():
            host.listed = True
            self._turn.append(host)

    def pop(self) -> tuple[Host, Job] | None:
        """The next job that may start; its host counts it as active until told otherwise."""
        while self._turn:
            host = self._turn.popleft()
            host.listed = False
            if host.queue and host.addresses is not None and host.rest_until <= time.monotonic():
                job = host.queue.popleft()
                host.active += 1
                self.offer(host)
                return host, job
        return None
