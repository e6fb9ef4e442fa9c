"""From URLs to bodies: the order of things between queues, robots.txt, transfers, redirects and further rounds."""

from __future__ import annotations

import heapq
import itertools
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from curate.contracts import statuses
from curate.fetch import answers, locations, robots
from curate.fetch.addresses import Gate
from curate.fetch.answers import Answer
from curate.fetch.hosts import GIVE_UP_AFTER, Host, Hosts, Job
from curate.fetch.locations import Refusal
from curate.fetch.loop import Loop
from curate.fetch.resolver import Resolver
from curate.fetch.robots import Rules, RulesBook
from curate.fetch.settings import FetchSettings
from curate.fetch.transfer import Room, Transfer

_UNANSWERED = frozenset({"refused", "timeout", "http_429"})
_LONGEST_WAIT = 1.0


class Fetched(NamedTuple):
    """What became of the URL at `index`: `ok` and its body, or why there is none."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    reason: str
    message: str
    body: bytes


class Fetcher:
    """One run over a list of URLs."""

    def __init__(self, urls: Sequence[str], settings: FetchSettings) -> None:
        self._settings = settings
        self._end = time.monotonic() + settings.max_seconds
        self._gate = Gate(settings.allow_networks)
        self._room = Room(settings.max_buffered_bytes)
        self._hosts = Hosts(settings.max_per_host)
        self._rules = RulesBook()
        self._awaiting: dict[str, list[Job]] = {}
        self._tokens = (settings.user_agent_token or robots.NAME,)
        self._retried = {name for name, status in statuses().items() if status.retry}
        self._later: list[tuple[float, int, Job | Host]] = []
        self._number = itertools.count()
        self._crowded: deque[tuple[Host, Job]] = deque()
        self._unfinished: dict[int, Refusal | None] = dict.fromkeys(range(len(urls)))
        self._finished: deque[tuple[Fetched, int]] = deque()
        self._resolver = Resolver(settings.dns_threads)
        self._loop = Loop(settings.thread_count, self._resolver.bell)
        self._transfers: list[Transfer] = []
        self._idle: list[Transfer] = []
        self._urls = urls

    def run(self) -> Iterator[Fetched]:
        """Yield each URL's fate once, as it is known."""
        try:
            for index, url in enumerate(self._urls):
                self._enter(index, url)
            while self._unfinished and time.monotonic() < self._end:
                self._start_what_may()
                ended = [] if self._finished else self._loop.wait(self._pause())
                for curl, code, text in ended:
                    self._ended(curl.transfer, code, text)
                self._wake()
                yield from self._hand_over()
            yield from self._out_of_time()
        finally:
            self._close()

    # -- in ----------------------------------------------------------------------------------------------------

    def _enter(self, index: int, url: str) -> None:
        at = locations.parse(url)
        if isinstance(at, Refusal):
            self._finish(index, at)
        else:
            self._admit(Job(index, at, at, self._settings.timeout))

    def _admit(self, job: Job) -> None:
        """Send a job to its host's queue, once robots.txt allows it."""
        if self._settings.respect_robots_txt and not job.robots_for:
            origin = job.at.origin
            rules = self._rules.get(origin)
            if rules is None:
                self._await_rules(job)
                return
            if not rules.allow(job.at.url):
                self._fail(job, Refusal("robots", f"{origin}/robots.txt"))
                return
        self._enqueue(job)

    def _await_rules(self, job: Job) -> None:
        origin = job.at.origin
        if origin in self._awaiting:
            self._awaiting[origin].append(job)
            return
        self._awaiting[origin] = [job]
        at = job.at._replace(url=f"{origin}/robots.txt")
        self._enqueue(Job(-1, at, at, self._settings.timeout, attempt=job.attempt, robots_for=origin))

    def _enqueue(self, job: Job) -> None:
        host = self._hosts.of(job.at.host)
        if job.at.literal and host.addresses is None:
            host.addresses = [host.name] if self._gate.allows(host.name) else []
        if host.addresses == []:
            self._fail(job, Refusal("forbidden_address", host.name))
            return
        host.queue.append(job)
        if host.addresses is None and not host.asked:
            host.asked = True
            self._resolver.ask(host.name)
        self._hosts.offer(host)

    # -- on ----------------------------------------------------------------------------------------------------

    def _start_what_may(self) -> None:
        while self._idle or len(self._transfers) < self._settings.thread_count:
            if self._crowded:  # alone in the line, so that the room it needs comes free
                if not self._room.take(self._settings.max_bytes):
                    return
                host, job = self._crowded.popleft()
            else:
                next_one = self._hosts.pop()
                if next_one is None:
                    return
                host, job = next_one
            self._start(host, job)

    def _start(self, host: Host, job: Job) -> None:
        if not self._idle:
            self._transfers.append(Transfer(self._settings, self._gate, self._room))
            self._idle.append(self._transfers[-1])
        transfer = self._idle.pop()
        transfer.job = job
        transfer.reserved = self._settings.max_bytes if job.roomy else 0
        cap = min(robots.MAX_BYTES, self._settings.max_bytes) if job.robots_for else self._settings.max_bytes
        transfer.begin(job.at, host.addresses or [], job.left, cap)
        self._loop.add(transfer.curl)

    def _ended(self, transfer: Transfer, code: int, text: str) -> None:
        job = transfer.job
        host = self._hosts.of(job.at.host)
        answer = transfer.end(code, text)
        size, transfer.job = transfer.release(), None
        self._idle.append(transfer)
        if transfer.crowded:
            self._room.give(size)
            job.roomy = True
            self._crowded.append((host, job))  # still counted as active, so that its host is not asked twice
            return
        job.roomy = False
        host.active -= 1
        self._note(host, job, answer)
        if answer.reason == "ok" and not job.robots_for:
            self._finish(job.index, Refusal("ok", ""), answer.body, size)
        else:
            self._room.give(size)
            if answer.target is not None:
                self._redirect(job, answer.target, transfer.seconds())
            elif job.robots_for:
                self._rules_came(job, answer)
            else:
                self._fail(job, Refusal(answer.reason, answer.message), answer.retry_after)
        self._hosts.offer(host)

    def _note(self, host: Host, job: Job, answer: Answer) -> None:
        """Leave a host alone that asks for it, or that does not answer."""
        if answer.retry_after:
            rest = min(answer.retry_after, self._settings.max_retry_after)
            host.rest_until = max(host.rest_until, time.monotonic() + rest)
            self._at(host.rest_until, host)
        if answer.reason not in _UNANSWERED:
            host.unanswered.clear()
            return
        row = (job.at.origin, job.attempt)
        host.unanswered[row] += 1
        if host.unanswered[row] >= GIVE_UP_AFTER:
            for other in host.take_like(job):
                self._fail(other, Refusal(answer.reason, f"as {GIVE_UP_AFTER} others of {job.at.origin} in a row"))

    def _redirect(self, job: Job, target: str, seconds: float) -> None:
        job.hops.append(job.at.url)
        at = locations.join(job.at, target)
        job.left -= seconds
        if isinstance(at, Refusal):
            reason = "http_4xx" if at.reason == "bad_url" else at.reason
            self._fail(job, Refusal(reason, f"redirect: {at.message}"))
        elif at.url in job.hops:
            self._fail(job, Refusal("too_many_redirects", "a loop"))
        elif len(job.hops) > self._settings.max_redirects:
            self._fail(job, Refusal("too_many_redirects", f"more than {self._settings.max_redirects}"))
        elif job.left <= 0:
            self._fail(job, answers.of_timeout(True, self._settings.timeout))
        else:
            job.at = at
            self._admit(job)

    def _rules_came(self, job: Job, answer: Answer) -> None:
        """Send on the jobs that waited for a robots.txt, or give them the reason why it cannot be had."""
        origin = job.robots_for or ""
        waiting = self._awaiting.pop(origin)
        if answer.reason in robots.UNREACHABLE:
            for other in waiting:
                self._fail(other, Refusal(answer.reason, f"robots.txt: {answer.message}"), answer.retry_after)
            return
        body = answer.body if answer.reason in ("ok", "too_many_bytes") else b""
        self._rules.put(origin, Rules(body, self._tokens))
        for other in waiting:
            self._admit(other)

    def _wake(self) -> None:
        """Take in the names that were resolved, and the jobs and hosts whose time has come."""
        for name, found in self._resolver.answers():
            self._resolved(self._hosts.of(name), found)
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            due = heapq.heappop(self._later)[2]
            if isinstance(due, Host):
                self._hosts.offer(due)
            else:
                self._admit(due)

    def _resolved(self, host: Host, found: list[str] | str) -> None:
        host.asked = False
        if isinstance(found, str):
            for job in host.take_all():
                self._fail(job, Refusal("dns", found))
            return
        host.addresses = [address for address in found if self._gate.allows(address)]
        if not host.addresses:
            for job in host.take_all():
                self._fail(job, Refusal("forbidden_address", f"{host.name} is {found[0]}"))
        self._hosts.offer(host)

    # -- out ---------------------------------------------------------------------------------------------------

    def _fail(self, job: Job, refusal: Refusal, retry_after: float = 0) -> None:
        """Try again in a later round if that may help; else it is what became of the URL."""
        if job.robots_for:
            self._rules_came(job, Answer(*refusal, retry_after=retry_after))
        elif refusal.reason in self._retried and job.attempt < self._settings.retries:
            wait = max(self._backoff(job), min(retry_after, self._settings.max_retry_after))
            self._unfinished[job.index] = refusal
            again = Job(job.index, job.start, job.start, self._settings.timeout, job.attempt + 1)
            self._at(time.monotonic() + wait, again)
        else:
            self._finish(job.index, refusal)

    def _backoff(self, job: Job) -> float:
        """Seconds to the next round: doubling, times 0.5 to 1.5 by URL, so that a host's do not come back at once."""
        spread = zlib.crc32(f"{job.index} {job.start.url} {job.attempt}".encode()) / 2**32
        return float(min(self._settings.backoff * 2**job.attempt, 60) * (0.5 + spread))

    def _at(self, when: float, what: Job | Host) -> None:
        heapq.heappush(self._later, (when, next(self._number), what))

    def _finish(self, index: int, refusal: Refusal, body: bytes = b"", reserved: int = 0) -> None:
        del self._unfinished[index]
        self._finished.append((Fetched(index, refusal.reason, refusal.message, body), reserved))

    def _hand_over(self) -> Iterator[Fetched]:
        while self._finished:
            fetched, reserved = self._finished.popleft()
            yield fetched
            del fetched
            self._room.give(reserved)

    def _out_of_time(self) -> Iterator[Fetched]:
        yield from self._hand_over()
        for index, refusal in self._unfinished.items():
            reason, message = refusal or Refusal("timeout", "not reached")
            yield Fetched(index, reason, f"{message}; max_seconds passed", b"")

    def _pause(self) -> float:
        """Seconds until a timer or the end is due."""
        due = self._later[0][0] if self._later else self._end
        return min(due, self._end, time.monotonic() + _LONGEST_WAIT) - time.monotonic()

    def _close(self) -> None:
        self._loop.close([transfer.curl for transfer in self._transfers if transfer.job])
        for transfer in self._transfers:
            transfer.close()
        self._resolver.close()
