"""Download: our engine against img2dataset, from one server on loopback in one run, and what an image costs in CPU.

The server is a process of its own (asyncio, keep-alive) that answers every path with one small JPEG. CPU is that of
the client: this process and its children. Start-up (img2dataset takes seconds to import) is measured on a list of one
URL and taken off, so that the figures are those of a long run.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from curate.contracts import contract
from curate.fetch import fetch
from curate.ops import tars
from curate.stages.shards import ShardsSettings, make

COUNT, ROUNDS = 6000, 5


class Cost(NamedTuple):
    """Seconds of wall clock, seconds of CPU, images that came."""

    wall: float
    cpu: float
    images: int


def main() -> None:
    """Print a table: images/s, yield and CPU an image of each way to download the same list."""
    with _server() as base:
        ours, theirs = _settings("curate"), _settings("img2dataset")
        ways = {
            "fetch + sha256 + tar": (lambda n: _bare(base, n, ours), ROUNDS),
            "stage shards, engine curate": (lambda n: _stage(base, n, ours), ROUNDS),
            "  the same, robots.txt asked": (lambda n: _stage(base, n, _settings("curate", robots=True)), ROUNDS),
            "stage shards, engine img2dataset": (lambda n: _stage(base, n, theirs), 1),
        }
        costs = {name: _steady(way, rounds) for name, (way, rounds) in ways.items()}
    last = costs["stage shards, engine img2dataset"]
    print(
        f"{COUNT} JPEGs of {len(_jpeg()) / 1024:.0f} kB over loopback, {ours.thread_count} at once, start-up taken off"
    )
    print(f"{'':34}{'images/s':>10}{'yield':>8}{'CPU us/image':>14}{'CPU: img2dataset / this':>25}")
    for name, cost in costs.items():
        rate, cpu = cost.images / cost.wall, cost.cpu / cost.images * 1e6
        ratio = last.cpu / last.images * 1e6 / cpu
        print(f"{name:34}{rate:10,.0f}{cost.images / COUNT:8.1%}{cpu:14,.0f}{ratio:25.1f}")
    print("to hold: fetch + sha256 + tar <= 100 us of CPU an image")


def _settings(engine: str, robots: bool = False) -> ShardsSettings:
    how: dict[str, Any] = {"engine": engine, "respect_robots_txt": robots, "thread_count": 64, "max_per_host": 64}
    return ShardsSettings(contact="bench@curate.invalid", allow_networks=("127.0.0.1/32",), **how)


def _urls(base: str, count: int) -> list[str]:
    return [f"{base}/{i}.jpg" for i in range(count)]


def _bare(base: str, count: int, settings: ShardsSettings) -> int:
    images = 0
    with tempfile.TemporaryFile(buffering=1 << 20) as tar:
        for fetched in fetch(_urls(base, count), settings):
            hashlib.sha256(fetched.body).hexdigest()
            tars.write(tar, f"{fetched.index:09d}.jpg", fetched.body)
            images += fetched.reason == "ok"
    return images


def _stage(base: str, count: int, settings: ShardsSettings) -> int:
    urls = {"key": [f"{i:09d}" for i in range(count)], "url": _urls(base, count)}
    with tempfile.TemporaryFile(buffering=1 << 20) as tar:
        rows: pa.Table = make(settings)(contract("urls").table(urls), tar)
    return int(rows["reason"].to_pylist().count("ok"))


def _steady(way: Callable[[int], int], rounds: int) -> Cost:
    """The median cost of COUNT images beyond that of one image."""
    start = _measure(way, 1)
    runs = [_measure(way, COUNT) for _ in range(rounds)]
    wall, cpu = (statistics.median(column) for column in list(zip(*runs, strict=True))[:2])
    return Cost(wall - start.wall, cpu - start.cpu, min(run.images for run in runs))


def _measure(way: Callable[[int], int], count: int) -> Cost:
    began, before = time.perf_counter(), _cpu()
    images = way(count)
    return Cost(time.perf_counter() - began, _cpu() - before, images)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _jpeg() -> bytes:
    """A small photograph-like JPEG of some 5 kB."""
    pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC).save(out, "JPEG", quality=80)
    return out.getvalue()


# -- the server: `python -m tests.bench.fetch serve` -------------------------------------------------------------------


@contextmanager
def _server() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.fetch", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


class _Answers(asyncio.Protocol):
    """Answers every request with the same JPEG; /robots.txt with 404."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._held = transport, b""

    def data_received(self, data: bytes) -> None:
        *heads, self._held = (self._held + data).split(b"\r\n\r\n")
        for head in heads:
            self._transport.write(_LOST if b" /robots.txt " in head else _FOUND)  # type: ignore[attr-defined]


_BODY = _jpeg()
_FOUND = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_LOST = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Answers, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # the pipe closes with the parent


if __name__ == "__main__":
    asyncio.run(_serve()) if "serve" in sys.argv else main()
