"""Idle connections go from a worker that retires to those that go on, and callers notice nothing."""

import os
import socket
from collections.abc import Iterable
from typing import Any

import gevent.socket

from common.serving.connection import Connection


class Handover:
    """A channel for connections; made by the master, used by its workers."""

    def __init__(self) -> None:
        self.ends = socket.socketpair()

    def open(self) -> None:
        """Let this worker wait for the channel without blocking."""
        self.sender, self.receiver = (
            gevent.socket.socket(end.family, end.type, fileno=os.dup(end.fileno())) for end in self.ends
        )

    def send(self, connections: Iterable[Connection]) -> None:
        """Send those that are idle to whichever workers receive, once there is one."""
        for connection in connections:
            if connection.is_idle():
                descriptor = connection.detach()
                try:
                    while not socket.send_fds(self.sender, [b"."], [descriptor]):
                        pass
                finally:
                    os.close(descriptor)

    def receive(self) -> tuple[gevent.socket.socket, Any]:
        """Return the next caller's socket and address."""
        while True:
            _, [descriptor], _, _ = socket.recv_fds(self.receiver, 1, 1)
            sock = gevent.socket.socket(fileno=descriptor)
            try:
                return sock, sock.getpeername()
            except OSError:  # the caller has left meanwhile
                sock.close()
