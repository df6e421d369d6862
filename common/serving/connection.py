"""A caller's connection, as gunicorn sees it."""

import os
from contextlib import suppress
from math import inf
from socket import SHUT_RD
from time import monotonic
from typing import TYPE_CHECKING, Any

import gevent
from gevent.monkey import get_original
from gevent.socket import socket
from gunicorn.http.message import Request

from common.serving.connections import Connections
from common.serving.corked import CorkedSocket
from common.serving.overload import Overload
from common.serving.request_limits import HEAD_END, TooManyBytes, exceeds_limits, has_bare_lf

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

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
        address: the caller's.
        connections: the worker's, of which this becomes one.
        overload: refuses requests that are late.
        send_timeout: see CorkedSocket.
    """

    def __init__(
        self,
        sock: socket,
        address: Any,  # noqa: ANN401  any family
        connections: Connections,
        overload: Overload,
        send_timeout: float,
    ) -> None:
        super().__init__(sock, send_timeout)
        self.address = address
        self.connections = connections
        self.overload = overload
        self.received = bytearray()  # not read by gunicorn yet
        self.held = 0  # bytes of an unfinished request, as counted in BUFFERED
        self.is_new = True
        self.awaits_head = False
        self.is_ended = self.is_shed = False
        self.deadline = inf  # of a wait; the worker looks once a second, so that no request needs a timer
        self.body_deadline = inf
        self.request: Request | None = None  # the one in flight
        self.began = inf  # the work on it
        self.environ: WSGIEnvironment | None = None  # of a request that is not counted yet
        self.handler: gevent.Greenlet | None = None  # which works on it
        self.place = overload.join()  # in the event loop's queue
        self.is_late = False
        connections.add(self)

    def read_head(self) -> bytes:
        """Return the next request's head when its turn has come; b"" if the caller leaves or takes too long.

        What can no longer become a head is returned as it is, for gunicorn to refuse.
        """
        while not self.is_ended:  # or the rest of a body that took too long could become a head
            came_along = False
            if self.is_new:
                self.is_new = False
                self.is_late = self.overload.is_late(self.place)
                came_along = self.receive(wait=False) and HEAD_END in self.received
            if not came_along:  # else it has been in the queue together with the new connection
                self.connections.rest(self)
                self.awaits_head = True
                self.receive_head()
                self.connections.resume(self)
                self.awaits_head, self.deadline, self.body_deadline = False, inf, inf
                place = self.overload.join()
                gevent.sleep(0)
                self.is_late = self.overload.is_late(place)
            head = self.take_head()
            if not self.is_late or not self.overload.refuse(self, head):
                return head
        return b""

    def take_head(self) -> bytes:
        """Return the head that has been received."""
        end = self.received.find(HEAD_END)
        head = bytes(self.received if end < 0 else self.received[: end + len(HEAD_END)])
        del self.received[: len(head)]
        self.connections.hold(self, len(self.received))
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
            self.connections.hold(self, len(self.received))
            if not self.receive():
                self.received.clear()
                return

    def recv(self, size: int) -> bytes:
        """Return a part of a request's body; b"" if the caller leaves or takes too long."""
        now = monotonic()
        self.body_deadline = min(self.body_deadline, now + BODY_TIMEOUT)
        if self.body_deadline < now:
            self.end()
        if not self.received and not self.is_ended:
            if self.held:
                gevent.sleep(0)  # a body that has arrived already would not let other greenlets run
            self.deadline = self.body_deadline
            if self.receive():  # held until the request is answered, or the body discarded
                self.connections.hold(self, self.held + len(self.received))
            self.deadline = inf
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

    def shed(self) -> None:
        """Let go of the unfinished request, which is answered 503."""
        self.is_shed = True
        self.connections.hold(self, 0)
        self.received.clear()
        self.end()

    def end(self) -> None:
        """Let the handler see the end of the connection, after what has already arrived on it.

        Not by gevent's own shutdown(), which raises in the handler instead.
        """
        self.is_ended = True
        if self.request:
            self.request.force_close()
        plain_socket = get_original("socket", "socket")
        with suppress(OSError), plain_socket(fileno=os.dup(self.sock.fileno())) as plain:
            plain.shutdown(SHUT_RD)

    def abandon(self) -> None:
        """End the work on the request in flight, since its caller has hung up."""
        self.end()
        if self.handler:
            self.handler.kill(block=False)

    def begin_answer(self, head: bytes) -> None:
        """Count the request: what its caller has seen must be counted, even if the process is killed next."""
        environ, self.environ = self.environ, None
        if environ:
            self.overload.log.count(environ, head[9:12].decode(), monotonic() - self.began)

    def is_idle(self) -> bool:
        """Return whether nothing of a next request has arrived."""
        return self.awaits_head and not (self.received or self.is_ended)

    def detach(self) -> int:
        """Return a descriptor of the socket for another process; the handler ends."""
        descriptor = os.dup(self.sock.fileno())
        self.sock.close()
        return descriptor

    def shutdown(self, how: int) -> None:
        self.flush()
        self.sock.shutdown(how)

    def close(self) -> None:
        self.connections.remove(self)
        self.connections.hold(self, 0)
        self.sock.close()

    def fileno(self) -> int:
        return int(self.sock.fileno())

    def setblocking(self, flag: object) -> None:
        """Do nothing: gunicorn asks for what gevent's sockets are anyway."""
