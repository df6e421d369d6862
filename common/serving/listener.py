"""Accepts callers' connections."""

from collections.abc import Callable
from typing import Any

from gevent.pool import Pool
from gevent.server import StreamServer
from gevent.socket import socket

from common.serving.connection import Connection


class Address:
    """The address of a listening socket, which a handler begins by asking for: by then it may be closed."""

    def __init__(self, sock: socket) -> None:
        self.name = sock.getsockname()

    def getsockname(self) -> Any:  # noqa: ANN401  any family
        return self.name


class Listener(StreamServer):  # type: ignore[misc]  # untyped
    """A server that passes each connection to its handler as a Connection, made when it is accepted.

    Args:
        sock: the socket that listens.
        handle: called in a greenlet of `pool` with a Connection and the caller's address.
        pool: accepts nothing while it is full.
        connect: makes a Connection of a caller's socket and address.
    """

    def __init__(
        self,
        sock: socket,
        handle: Callable[..., None],
        pool: Pool,
        connect: Callable[[socket, Any], Connection],
    ) -> None:
        super().__init__(sock, handle, spawn=pool)
        self.connect = connect

    def do_read(self) -> tuple[Connection, Any] | None:
        """Accept a connection; return None if there is none."""
        accepted = super().do_read()
        return accepted and (self.connect(*accepted), accepted[1])
