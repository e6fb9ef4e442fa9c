"""What runs in img2dataset's processes: itself, with a deadline, a byte cap and our address check put under it.

Run as `python -m curate.fetch.img2dataset_worker`, so that multiprocessing imports this module anew in each process
that it spawns: the limits, which the environment brings, hold in all of them.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from typing import Any

from curate.fetch.addresses import Gate

LIMITS, OPTIONS = "CURATE_IMG2DATASET_LIMITS", "CURATE_IMG2DATASET_OPTIONS"
"""Environment variables, both JSON: the arguments of `_limit`, and of img2dataset's `download`."""
SHUT, LATE, LARGE = "forbidden address", "body missed the deadline", "body above the cap"
"""What its error messages then hold."""
_PIECE = 64 * 1024


class _Capped(http.client.HTTPResponse):
    """A response whose whole body must come in `timeout` s, and be `max_bytes` at most."""

    timeout = max_bytes = 0.0

    def read(self, amt: int | None = None) -> bytes:
        if amt is not None:
            return super().read(amt)
        end = time.monotonic() + self.timeout
        pieces, size = [], 0
        while piece := self.read1(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > self.max_bytes:
                raise ValueError(LARGE)
            if time.monotonic() > end:
                raise TimeoutError(LATE)
        if self.length:
            raise http.client.IncompleteRead(b"", self.length)
        return b"".join(pieces)


def _limit(timeout: float, max_bytes: int, allow_networks: list[str]) -> None:
    """Put the limits under urllib: how connections are opened, and how bodies are read."""
    gate, connect = Gate(allow_networks), socket.create_connection

    def checked(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        """Resolve, check, and connect to the very addresses that were checked."""
        found = dict.fromkeys(str(a[0]) for *_, a in socket.getaddrinfo(*address, type=socket.SOCK_STREAM))
        fault: OSError = OSError(f"{SHUT}: {', '.join(found)}")
        for place in filter(gate.allows, found):
            try:
                return connect((place, address[1]), *rest, **more)
            except OSError as error:
                fault = error
        raise fault

    socket.create_connection = checked  # type: ignore[assignment]
    _Capped.timeout, _Capped.max_bytes = timeout, max_bytes
    http.client.HTTPConnection.response_class = _Capped


def _end_with_parent() -> None:
    """Kill this process and all that it spawned when stdin closes, as it does however the parent ends."""
    os.read(0, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if LIMITS in os.environ:
    _limit(**json.loads(os.environ[LIMITS]))

if __name__ == "__main__":
    from img2dataset import download

    threading.Thread(target=_end_with_parent, daemon=True).start()
    download(**json.loads(os.environ[OPTIONS]))
