"""libcurl's multi interface driven by epoll: any number of sockets, and no work for those where nothing happens."""

from __future__ import annotations

import select
import socket
import time
from typing import Any

import pycurl

_READ, _WRITE = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR, select.EPOLLOUT


class Loop:
    """Runs transfers; `wait` returns those that ended."""

    def __init__(self, max_connections: int, bell: socket.socket) -> None:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_connections)
        self._epoll = select.epoll()
        self._bell = bell.fileno()
        self._epoll.register(self._bell, select.EPOLLIN)
        self._watched: dict[int, int] = {}
        self._due: float | None = None

    def add(self, curl: pycurl.Curl) -> None:
        """Start a transfer."""
        self._multi.add_handle(curl)

    def wait(self, seconds: float) -> list[tuple[Any, int, str]]:
        """Work until something happened, `seconds` at most: the handles that ended, with libcurl's code and message."""
        if self._due is not None:
            seconds = min(seconds, self._due - time.monotonic())
        for fd, seen in self._epoll.poll(max(seconds, 0)):
            if fd in self._watched:
                readable = pycurl.CSELECT_IN if seen & _READ else 0
                self._multi.socket_action(fd, readable | (pycurl.CSELECT_OUT if seen & _WRITE else 0))
        if self._due is not None and self._due <= time.monotonic():
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return self._ended()

    def close(self, running: list[pycurl.Curl]) -> None:
        """Break off what is running, and close all connections."""
        for curl in running:
            self._multi.remove_handle(curl)
        self._multi.close()
        self._epoll.close()

    def _ended(self) -> list[tuple[Any, int, str]]:
        ended: list[tuple[Any, int, str]] = []
        more = 1
        while more:
            more, good, bad = self._multi.info_read()
            ended += [(curl, 0, "") for curl in good]
            ended += bad
        for curl, _, _ in ended:
            self._multi.remove_handle(curl)
        return ended

    def _watch(self, what: int, fd: int, multi: Any, data: Any) -> None:
        """Watch the socket that libcurl waits for, as long as it does."""
        if what == pycurl.POLL_REMOVE:
            if self._watched.pop(fd, None) is not None:
                self._epoll.unregister(fd)
            return
        mask = (select.EPOLLIN if what & pycurl.POLL_IN else 0) | (select.EPOLLOUT if what & pycurl.POLL_OUT else 0)
        if fd not in self._watched:
            self._epoll.register(fd, mask)
        elif self._watched[fd] != mask:
            self._epoll.modify(fd, mask)
        self._watched[fd] = mask

    def _set_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
