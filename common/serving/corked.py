"""A socket that sends the headers and the body of an answer in one packet instead of two."""

import errno
from contextlib import suppress
from typing import Any

import gevent
from gevent.socket import socket


class CorkedSocket:
    """A socket that holds the headers back until the body's first part or flush().

    gunicorn sends headers only once the body has begun (as PEP 3333 asks), but in a packet of their own.

    Args:
        sock: the caller's connection.
        send_timeout: seconds for each sendall(); then BrokenPipeError, since a caller that does
            not read would otherwise hold its answer in memory for ever.
    """

    def __init__(self, sock: socket, send_timeout: float) -> None:
        self.sock = sock
        self.timed_out = BrokenPipeError(
            errno.EPIPE, f"the caller did not read its answer for {send_timeout:g} s"
        )
        self.send_timeout = send_timeout
        self.headers: bytes | None = None

    def sendall(self, data: bytes) -> None:
        """Hold the first data back; send it together with the next."""
        if self.headers is None:
            self.headers = data
            return
        unsent, self.headers = self.headers + data, b""
        with suppress(BlockingIOError):
            unsent = unsent[self.sock.send(unsent, timeout=0.0) :]  # nearly always all of it, and no timer
        if unsent:
            with gevent.Timeout(self.send_timeout, self.timed_out):
                self.sock.sendall(unsent)

    def flush(self) -> None:
        """Send the headers of an answer without a body."""
        if self.headers:
            self.sendall(b"")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  as the socket's own
        self.flush()
        return getattr(self.sock, name)
