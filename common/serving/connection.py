"""A caller's connection, as gunicorn sees it."""

import os
from contextlib import suppress
from math import inf
from socket import SHUT_RD
from time import monotonic

import gevent
from gevent.monkey import get_original
from gevent.socket import socket
from gunicorn.http.message import Request

from common.budget import BUFFERED
from common.serving.connections import Connections
from common.serving.corked import CorkedSocket
from common.serving.request_limits import HEAD_END, TooManyBytes, exceeds_limits, has_bare_lf

# From a head's first byte to its last: 76 kB take 10 s at 64 kbit/s (seconds).
HEAD_TIMEOUT = 30.0
# From the first time that a request's body is waited for (seconds).
BODY_TIMEOUT = 60.0
# Read at once; gunicorn also holds as much of a body that is to be discarded.
READ_BYTES = 8192


class Connection(CorkedSocket):
    """A socket that returns heads as a whole, and whose every wait is bounded.

    Args:
        sock: the caller's socket.
        connections: the worker's, of which this becomes one.
        send_timeout: see CorkedSocket.
    """

    def __init__(self, sock: socket, connections: Connections, send_timeout: float) -> None:
        super().__init__(sock, send_timeout)
        self.connections = connections
        self.received = bytearray()  # not read by gunicorn yet
        self.held = 0  # bytes of an unfinished request, as counted in BUFFERED
        self.is_new = True
        self.is_ended = self.is_shed = False
        self.deadline = inf  # of a wait; the worker looks once a second, so that no request needs a timer
        self.arrived = monotonic()  # when the connection, later each request, joined the queue
        self.waited = 0.0  # how long the request was in the queue
        self.request: Request | None = None  # the one in flight
        connections.add(self)

    def read_head(self) -> bytes:
        """Return the next request's head when its turn has come; b"" if the caller leaves or takes too long.

        What can no longer become a head is returned as it is, for gunicorn to refuse.
        """
        self.connections.rest(self)
        is_new, self.is_new = self.is_new, False
        if is_new:
            self.receive(wait=False)
        if is_new and HEAD_END in self.received:  # came with the connection, which was in the queue already
            self.connections.resume(self)
        else:
            self.receive_head()
            self.connections.resume(self)
            self.deadline = inf
            self.arrived = monotonic()
            gevent.sleep(0)
        self.waited = monotonic() - self.arrived
        end = self.received.find(HEAD_END)
        head = bytes(self.received if end < 0 else self.received[: end + len(HEAD_END)])
        del self.received[: len(head)]
        self.hold(len(self.received))
        return head

    def receive_head(self) -> None:
        """Wait until a head has been received, or what cannot become one; nothing if none comes."""
        self.deadline = monotonic() + self.connections.idle_timeout
        if not self.received and not self.receive():
            return
        searched, line_end = 0, -1
        while self.received.find(HEAD_END, searched) < 0:
            if line_end < 0:
                line_end = self.received.find(b"\r\n", max(2, searched))  # one empty line may come first
            if exceeds_limits(len(self.received), line_end) or has_bare_lf(self.received, searched):
                return
            if not searched:
                self.deadline = monotonic() + HEAD_TIMEOUT
            searched = max(1, len(self.received) - len(HEAD_END) + 1)
            self.hold(len(self.received))
            if not self.receive():
                self.received.clear()
                return

    def recv(self, size: int) -> bytes:
        """Return a part of a request's body; b"" if the caller leaves or takes too long."""
        self.deadline = min(self.deadline, monotonic() + BODY_TIMEOUT)
        if not self.received and self.receive():
            self.hold(self.held + len(self.received))  # until all of the request is answered, or discarded
        if self.is_ended:
            return b""
        data = bytes(self.received[:size])
        del self.received[:size]
        return data

    def receive(self, *, wait: bool = True) -> bool:
        """Receive some bytes; return False if there are none, or no more."""
        try:
            if not wait:
                self.sock.settimeout(0.0)
            data = self.sock.recv(READ_BYTES)
        except OSError:
            data = b""
        if not wait:
            self.sock.settimeout(None)
        if self.is_shed:
            raise TooManyBytes
        self.received += data
        return bool(data)

    def hold(self, size: int) -> None:
        """Count `size` bytes as held for the unfinished request; the largest one makes room if need be."""
        if size == self.held:
            return
        if size < self.held:
            BUFFERED.release(self.held - size)
        while size > self.held and not BUFFERED.take(size - self.held):
            largest = self.connections.largest()
            if largest is None or largest is self:
                raise TooManyBytes
            largest.shed()
        self.connections.note_size(self, self.held, size)
        self.held = size

    def shed(self) -> None:
        """Let go of the unfinished request, which is answered 503."""
        self.is_shed = True
        self.hold(0)
        self.received.clear()
        self.end()

    def end(self) -> None:
        """Let the handler see the end of the connection, after what has already arrived on it.

        Not by gevent's own shutdown(), which raises in the handler instead.
        """
        self.is_ended = True
        plain_socket = get_original("socket", "socket")
        with suppress(OSError), plain_socket(fileno=os.dup(self.sock.fileno())) as plain:
            plain.shutdown(SHUT_RD)

    def shutdown(self, how: int) -> None:
        self.flush()
        self.sock.shutdown(how)

    def close(self) -> None:
        self.connections.remove(self)
        self.hold(0)
        self.sock.close()

    def setblocking(self, flag: object) -> None:
        """Do nothing: gunicorn asks for what gevent's sockets are anyway."""
