"""A web server that answers byte for byte what a test says, well-formed or not."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from curate.fetch import Fetched, FetchSettings, fetch

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def http(status: int = 200, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP/1.1 answer."""
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def moved(target: str) -> bytes:
    return http(302, b"", f"Location: {target}")


class Web:
    """Answers by path; of several answers each is given once, the last one for ever. Other paths are 404."""

    def __init__(self, host: str, port: int) -> None:
        self.base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.port = port
        self.asked: list[str] = []
        self.heads: dict[str, str] = {}
        self.open_now = self.open_most = 0
        self._pages: dict[str, list[Answer]] = {}
        self._count: dict[str, int] = defaultdict(int)

    def put(self, path: str, *answers: Answer) -> str:
        """Say what a path answers; its URL."""
        self._pages[path] = list(answers)
        return self.base + path

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        try:
            if (first := await reader.read(1)) == b"\x16":  # a TLS handshake
                writer.write(http(400))
                return
            while head := (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                path = head.split(" ")[1]
                first = b""
                self.asked.append(path)
                self.heads[path] = head
                answers = self._pages.get(path, [http(404)])
                answer = answers[min(self._count[path], len(answers) - 1)]
                self._count[path] += 1
                if isinstance(answer, bytes):
                    writer.write(answer)
                    if b"Connection: close" in answer:
                        return
                else:
                    await answer(writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            self.open_now -= 1
            writer.close()


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Web]:
    """Run a Web in a thread until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    webs: list[Web] = []
    open_: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_[writer] = loop.create_task(webs[0].serve(reader, writer))

    async def up() -> asyncio.Server:
        server = await asyncio.start_server(serve, host, 0, backlog=512)
        webs.append(Web(host, server.sockets[0].getsockname()[1]))
        return server

    async def down() -> None:
        """Close every socket: also of connections just accepted, and of those that nobody has begun to answer."""
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        while accepted := [task for task in asyncio.all_tasks() if "accept" in repr(task.get_coro())]:
            await asyncio.wait(accepted)  # once the server is closed, asyncio fails on them and forgets their sockets
        server.close()
        for task in open_.values():
            task.cancel()
        await asyncio.gather(*open_.values(), return_exceptions=True)
        for writer in open_:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in open_), return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(up(), loop).result()
    try:
        yield webs[0]
    finally:
        asyncio.run_coroutine_threadsafe(down(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def settings(**changes: object) -> FetchSettings:
    """Settings for tests: loopback allowed, everything quick."""
    usual: dict[str, object] = {
        "contact": "tests@curate.invalid",
        "allow_networks": ("127.0.0.1/32", "::1/128"),
        "timeout": 0.5,
        "retries": 0,
        "backoff": 0.05,
        "respect_robots_txt": False,
    }
    return FetchSettings.model_validate(usual | changes)


def one(url: str, **changes: object) -> Fetched:
    """What becomes of one URL."""
    (fetched,) = fetch([url], settings(**changes))
    return fetched


def reasons(urls: list[str], **changes: object) -> list[str]:
    """What becomes of URLs, in their order."""
    return [fetched.reason for fetched in sorted(fetch(urls, settings(**changes)))]
