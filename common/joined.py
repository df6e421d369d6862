"""Headers and body of an answer in one packet instead of two."""

from typing import Any

from gevent.socket import socket


class Joined:
    """A socket for one answer: what is sent first, its headers, waits for what is sent next.

    gunicorn sends headers once the body's start is there (as PEP 3333 asks), but each by itself.
    """

    def __init__(self, sock: socket) -> None:
        self.sock = sock
        self.first: bytes | None = None

    def sendall(self, data: bytes) -> None:
        """Send, or keep until flush() or the next call."""
        if self.first is None:
            self.first = data
            return
        first, self.first = self.first, b""
        self.sock.sendall(first + data)

    def flush(self) -> None:
        """Send what waits."""
        if self.first:
            self.sendall(b"")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  as the socket's own
        self.flush()
        return getattr(self.sock, name)
