"""Host names -> addresses, in threads of our own, so that a slow name server costs no transfer its time.

libcurl is then given the addresses: its own resolver would count the wait against the transfer's deadline, and look a
dead name up once for each of its URLs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from queue import SimpleQueue


class Resolver:
    """Resolves names with `getaddrinfo`; `bell` becomes readable when there are answers."""

    def __init__(self, threads: int) -> None:
        self.bell, self._button = socket.socketpair()
        self.bell.setblocking(False)
        self._button.setblocking(False)
        self._asked: SimpleQueue[str | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[str, list[str] | str]] = SimpleQueue()
        self._threads, self._most = 0, threads
        self._open = 0

    def ask(self, host: str) -> None:
        """Begin to resolve a name."""
        self._open += 1
        if self._threads < min(self._open, self._most):
            self._threads += 1
            # daemons: getaddrinfo cannot be interrupted, and must not hold up the end of the process
            threading.Thread(target=self._work, daemon=True).start()
        self._asked.put(host)

    def answers(self) -> list[tuple[str, list[str] | str]]:
        """What came in since: (host, addresses in the system's order of preference, or why there are none)."""
        with contextlib.suppress(BlockingIOError):
            self.bell.recv(4096)
        found = [self._answers.get() for _ in range(self._answers.qsize())]
        self._open -= len(found)
        return found

    def close(self) -> None:
        """Let the threads go; one that is still waiting for a name server ends by itself."""
        for _ in range(self._threads):
            self._asked.put(None)
        self.bell.close()
        self._button.close()

    def _work(self) -> None:
        while (host := self._asked.get()) is not None:
            self._answers.put((host, lookup(host)))
            with contextlib.suppress(OSError):  # full: it rings already; closed: nobody listens any more
                self._button.send(b"\0")


def lookup(host: str) -> list[str] | str:
    """Resolve one name: its addresses, or why there are none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        return str(error.strerror or error)
    except UnicodeError as error:  # a label longer than 63 characters
        return str(error)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
