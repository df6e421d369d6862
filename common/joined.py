"""Headers and body of an answer in one packet instead of two."""

import errno
from contextlib import suppress
from typing import Any

import gevent
from gevent.socket import socket


class Joined:
    """A socket for one answer: what is sent first, its headers, waits for what is sent next.

    Each sending takes patience seconds at most: a caller that does not read would stay for ever.
    gunicorn sends headers once the body's start is there (as PEP 3333 asks), but each by itself.
    """

    def __init__(self, sock: socket, patience: float) -> None:
        self.sock = sock
        self.hang_up = BrokenPipeError(errno.EPIPE, f"the caller did not read its answer for {patience:g} s")
        self.patience = patience
        self.first: bytes | None = None

    def sendall(self, data: bytes) -> None:
        """Send, or keep until flush() or the next call."""
        if self.first is None:
            self.first = data
            return
        rest, self.first = self.first + data, b""
        with suppress(BlockingIOError):
            rest = rest[self.sock.send(rest, timeout=0.0) :]  # nearly always all of it, and no timer
        if rest:
            with gevent.Timeout(self.patience, self.hang_up):
                self.sock.sendall(rest)

    def flush(self) -> None:
        """Send what waits."""
        if self.first:
            self.sendall(b"")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  as the socket's own
        self.flush()
        return getattr(self.sock, name)
