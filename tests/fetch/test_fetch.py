"""Each fault of the web gets its own word, from real servers on loopback; nothing waits, nothing gets out."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import time
from collections.abc import Iterator

import pytest

from curate.fetch import fetch, resolver
from tests.fetch.web import Web, http, moved, one, reasons, serving, settings

JPEG = b"\xff\xd8 a picture"


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as server:
        yield server


async def _silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x")
        await asyncio.sleep(0.05)


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        writer.write(b"100000\r\n" + bytes(2**20) + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def _headers_without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        writer.write(b"X-Robots-Tag: %d%s\r\n" % (number, b"x" * 500))
        await writer.drain()


def test_a_body_arrives_as_it_was_sent(web: Web) -> None:
    assert one(web.put("/a.jpg", http(200, JPEG))) == (0, "ok", "", JPEG)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "http_401"),
        (403, "http_403"),
        (404, "http_404"),
        (410, "http_410"),
        (429, "http_429"),
        (451, "http_4xx"),
        (304, "http_4xx"),
        (500, "http_5xx"),
        (503, "http_5xx"),
        (204, "empty"),
        (600, "network"),
    ],
)
def test_http_statuses_have_their_words(web: Web, status: int, reason: str) -> None:
    assert one(web.put("/a", http(status))).reason == reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_silence, "timeout"),
        (_drip, "too_slow"),
        (_endless, "too_many_bytes"),
        (http(200, b""), "empty"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n", "too_many_bytes"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99\r\n\r\nhalf", "incomplete"),
        (b"not HTTP at all\r\n\r\nConnection: close", "network"),
        (_headers_without_end, "network"),
        (http(302), "http_4xx"),
        (http(404, b"", "Content-Encoding: gzip"), "http_404"),
    ],
)
def test_answers_that_are_no_image(web: Web, answer: bytes, reason: str) -> None:
    assert one(web.put("/a", answer), max_bytes=2**20).reason == reason


def test_a_port_without_a_server_refuses() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert one(f"http://127.0.0.1:{bound.getsockname()[1]}/").reason == "refused"


def test_a_name_that_nobody_has_is_dns() -> None:
    assert one("http://nowhere.invalid/a.jpg").reason == "dns"


def test_a_server_that_speaks_no_tls_is_tls(web: Web) -> None:
    assert one(web.base.replace("http:", "https:") + "/a").reason == "tls"


def test_encoded_bodies_stay_encoded(web: Web) -> None:
    bomb = gzip.compress(bytes(10 * 2**20))
    assert one(web.put("/a", http(200, bomb, "Content-Encoding: gzip")), max_bytes=2**16).body == bomb


def test_a_body_of_exactly_the_cap_passes_and_one_byte_more_does_not(web: Web) -> None:
    urls = [web.put("/a", http(200, bytes(1000))), web.put("/b", http(200, bytes(1001)))]
    assert reasons(urls, max_bytes=1000) == ["ok", "too_many_bytes"]


# -- where it may go ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "forbidden_scheme"),
        ("ftp://127.0.0.1/a.jpg", "forbidden_scheme"),
        ("http://169.254.169.254/latest/meta-data/", "forbidden_address"),
        ("http://127.0.0.2/a.jpg", "forbidden_address"),
        ("http://[::ffff:10.0.0.1]/a.jpg", "forbidden_address"),
        ("http://2130706434/a.jpg", "forbidden_address"),
        ("http://0/a.jpg", "forbidden_address"),
        ("", "bad_url"),
        ("http://", "bad_url"),
    ],
)
def test_forbidden_places_are_not_asked(url: str, reason: str) -> None:
    assert one(url).reason == reason


def test_loopback_is_refused_unless_allowed(web: Web) -> None:
    urls = [web.put("/a.jpg", http(200, JPEG)), f"http://localhost:{web.port}/a.jpg"]
    assert reasons(urls, allow_networks=()) == ["forbidden_address", "forbidden_address"]
    assert web.asked == []
    assert reasons(urls) == ["ok", "ok"]


def test_the_address_connected_to_is_checked_again(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    # whatever the resolver or a literal said before: libcurl opens no socket to it
    monkeypatch.setattr("curate.fetch.scheduler.Gate.__init__", lambda self, blocks: _first_open(self))
    assert one(web.put("/a.jpg", http(200, JPEG))).reason == "forbidden_address"
    assert web.asked == []


def _first_open(gate: object) -> None:
    """A gate that lets the first question pass (the scheduler's) and no later one (the socket's)."""
    answers = iter([True])
    gate.allows = lambda address: next(answers, False)  # type: ignore[attr-defined]


def test_ipv6_loopback() -> None:
    with serving("::1") as web:
        url = web.put("/a.jpg", http(200, JPEG))
        assert [one(url).reason, one(url, allow_networks=["127.0.0.0/8"]).reason] == ["ok", "forbidden_address"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///etc/passwd", "forbidden_scheme"),
        ("http://10.0.0.1/", "forbidden_address"),
        ("//127.0.0.2/", "forbidden_address"),
        ("http://[", "http_4xx"),
        ("/a%0d%0aX: y", "http_404"),
        ("/ü b.jpg", "ok"),
        ("b.jpg#part", "ok"),
        ("?q=1", "http_404"),
    ],
)
def test_redirects_are_checked_like_urls(web: Web, target: str, reason: str) -> None:
    web.put("/%C3%BC%20b.jpg", http(200, JPEG))
    web.put("/b.jpg", http(200, JPEG))
    assert one(web.put("/a", moved(target))).reason == reason


def test_an_injected_header_does_not_become_a_request(web: Web) -> None:
    one(web.put("/a", moved("/b HTTP/1.1\r\nX-Injected: 1")))
    assert not any("X-Injected" in head for head in web.heads.values())


def test_loops_and_long_chains_end(web: Web) -> None:
    for i in range(20):
        web.put(f"/{i}", moved(f"/{i + 1}"))
    loop = web.put("/x", moved("/y"))
    web.put("/y", moved("/x"))
    assert reasons([web.base + "/0", loop], max_redirects=3) == ["too_many_redirects", "too_many_redirects"]
    assert len(web.asked) == 4 + 2


def test_redirects_share_one_deadline(web: Web) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(moved(f"/{len(web.asked)}"))

    for i in range(20):
        web.put(f"/{i}", slow)
    began = time.monotonic()
    assert one(web.base + "/0", timeout=0.5).reason == "timeout"
    assert time.monotonic() - began < 1


def test_environment_proxies_are_ignored(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "http_proxy", "http://127.0.0.1:1")
    assert one(web.put("/a.jpg", http(200, JPEG))).reason == "ok"


# -- manners --------------------------------------------------------------------------------------------------------


def test_the_user_agent_says_who_and_how_to_reach_them(web: Web) -> None:
    one(web.put("/a", http(200, JPEG)), user_agent_token="mybot")
    assert "User-Agent: curate/0.1.0 (mybot; +tests@curate.invalid)\r\n" in web.heads["/a"]


@pytest.mark.parametrize(
    ("tag", "token", "reason"),
    [
        ("noai", None, "opted_out"),
        ("all, NoImageAI", None, "opted_out"),
        ("mybot: noai", "mybot", "opted_out"),
        ("mybot: noai", "otherbot", "ok"),
        ("curate: noai", None, "opted_out"),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST", None, "ok"),
        ("nofollow", None, "ok"),
    ],
)
def test_x_robots_tag(web: Web, tag: str, token: str | None, reason: str) -> None:
    url = web.put("/a", http(200, JPEG, f"X-Robots-Tag: {tag}"))
    assert one(url, user_agent_token=token).reason == reason


def test_robots_txt_is_asked_once_and_obeyed(web: Web) -> None:
    web.put("/robots.txt", http(200, b"User-agent: *\nDisallow: /private/\n"))
    web.put("/private/a", http(200, JPEG))
    urls = [web.put(f"/{i}", http(200, JPEG)) for i in range(5)]
    urls += [web.base + "/private/a", web.base + "/x/../private/a", web.put("/r", moved("/private/a"))]
    assert reasons(urls, respect_robots_txt=True) == ["ok"] * 5 + ["robots"] * 3
    assert web.asked.count("/robots.txt") == 1
    assert "/private/a" not in web.asked


@pytest.mark.parametrize(
    ("robots", "reason"),
    [
        (http(404), "ok"),
        (moved("file:///etc/passwd"), "ok"),
        (http(503), "http_5xx"),
        (_silence, "timeout"),
        (http(200, b"User-agent: *\nDisallow: /\n" + b"#" * 600_000), "robots"),
        (http(200, b"User-agent: mybot\nDisallow: /\n"), "robots"),
        (http(200, b"User-agent: elsebot\nDisallow: /\n"), "ok"),
    ],
)
def test_what_robots_txt_may_be(web: Web, robots: bytes, reason: str) -> None:
    web.put("/robots.txt", robots)
    assert one(web.put("/a", http(200, JPEG)), respect_robots_txt=True, user_agent_token="mybot").reason == reason


def test_a_slow_robots_txt_keeps_only_its_own_host_waiting(web: Web) -> None:
    with serving("::1") as slow:
        slow.put("/robots.txt", _silence)
        urls = [slow.put("/a", http(200, JPEG)), web.put("/a", http(200, JPEG))]
        first = next(iter(fetch(urls, settings(respect_robots_txt=True))))
    assert (first.index, first.reason) == (1, "ok")


def test_at_most_so_many_connections_to_a_host(web: Web) -> None:
    async def pause(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(http(200, JPEG))

    urls = [web.put(f"/{i}", pause) for i in range(20)]
    assert reasons(urls, max_per_host=3) == ["ok"] * 20
    assert web.open_most == 3


def test_waiting_in_the_queue_does_not_eat_the_deadline(web: Web) -> None:
    async def pause(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(http(200, JPEG))

    assert reasons([web.put(f"/{i}", pause) for i in range(6)], max_per_host=1) == ["ok"] * 6


def test_a_silent_host_does_not_hold_up_the_others(web: Web) -> None:
    with serving("::1") as silent:
        urls = [silent.put(f"/{i}", _silence) for i in range(8)] + [web.put(f"/{i}", http(200, JPEG)) for i in range(8)]
        order = [fetched.index for fetched in fetch(urls, settings(max_per_host=2, thread_count=4))]
    assert set(order[:8]) == set(range(8, 16))


# -- rounds ---------------------------------------------------------------------------------------------------------


def test_what_may_pass_is_tried_again(web: Web) -> None:
    urls = [
        web.put("/429", http(429, b"", "Retry-After: 1"), http(200, JPEG)),
        web.put("/500", http(500), http(200, JPEG)),
    ]
    urls += [web.put("/404", http(404), http(200, JPEG)), web.put("/cut", _silence, http(200, JPEG))]
    assert reasons(urls, retries=1, max_retry_after=0.2) == ["ok", "ok", "http_404", "ok"]


def test_retry_after_is_waited_for_up_to_the_cap(web: Web) -> None:
    url = web.put("/a", http(429, b"", "Retry-After: 999"), http(200, JPEG))
    began = time.monotonic()
    assert one(url, retries=1, max_retry_after=0.3).reason == "ok"
    assert 0.3 <= time.monotonic() - began < 1


def test_rounds_end(web: Web) -> None:
    assert one(web.put("/a", http(500)), retries=2).reason == "http_5xx"
    assert len(web.asked) == 3


def test_a_host_that_never_answers_is_given_up(web: Web) -> None:
    urls = [web.put(f"/{i}", _silence) for i in range(100)]
    assert reasons(urls, timeout=0.3, max_per_host=16) == ["timeout"] * 100
    assert len(web.asked) < 60


def test_max_seconds_ends_it_all(web: Web) -> None:
    urls = [web.put(f"/{i}", _silence) for i in range(50)]
    began = time.monotonic()
    found = list(fetch(urls, settings(timeout=30, max_seconds=0.5, max_per_host=2)))
    assert time.monotonic() - began < 1.5
    assert sorted(f.index for f in found) == list(range(50))
    assert {f.reason for f in found} == {"timeout"}


# -- memory ---------------------------------------------------------------------------------------------------------


def test_bodies_share_the_buffer_and_all_arrive(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    from curate.fetch.transfer import Room

    least = []
    take = Room.take

    def watched(room: Room, size: int) -> bool:
        taken = take(room, size)
        least.append(room.free)
        return taken

    monkeypatch.setattr(Room, "take", watched)
    urls = [web.put(f"/{i}", http(200, bytes([i]) * 900_000)) for i in range(12)]
    found = sorted(fetch(urls, settings(max_bytes=10**6, max_buffered_bytes=2 * 10**6, timeout=5)))
    assert [f.body for f in found] == [bytes([i]) * 900_000 for i in range(12)]
    assert 0 <= min(least) < 10**6


def test_many_hosts_by_name(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    # a name server's part is played here: no test may depend on one
    monkeypatch.setattr(resolver, "lookup", lambda host: ["127.0.0.1"] if host != "host0.test" else "no such name")
    urls = [f"http://host{i % 300}.test:{web.port}/{i}" for i in range(1500)]
    for i in range(1500):
        web.put(f"/{i}", http(200, b"%d" % i))
    found = sorted(fetch(urls, settings(timeout=5, respect_robots_txt=True)))
    assert [f.body for f in found] == [b"" if i % 300 == 0 else b"%d" % i for i in range(1500)]
    assert {f.reason for f in found[::300]} == {"dns"}
    assert web.asked.count("/robots.txt") == 299
