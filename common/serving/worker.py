"""gunicorn's gevent worker, made to stop without losing a request.

An idle keep-alive connection is the danger: close it, and a caller that uses it in that instant
sees a reset (gunicorn issues 1236 and 3397). So a stop has three steps:

1. draining (preStop): every answer says `Connection: close`, and callers move to other Pods;
2. SIGTERM: no new connections; connections still idle are closed; requests go on;
3. graceful_timeout later: whatever still runs is cut off.
"""

import os
import signal
from contextlib import suppress
from functools import partial
from socket import IPPROTO_TCP, SHUT_RD, TCP_NOTSENT_LOWAT
from time import monotonic
from types import FrameType
from typing import Any

import gevent
from gevent.event import Event
from gevent.monkey import get_original
from gevent.pool import Pool
from gevent.server import StreamServer
from gevent.socket import socket
from gunicorn.http.message import Request
from gunicorn.workers.ggevent import GeventWorker

from common.budget import BUFFERED
from common.drain import draining
from common.serving.corked import CorkedSocket
from common.serving.request_limits import discard_body, has_body, limit_requests

# A connection made after SIGTERM gets this long for its only request (seconds).
LAST_REQUEST_TIMEOUT = 1.0
# What the system takes of an answer before the caller's side has room; else it would take megabytes for
# each connection, which count against the container's memory but not against MAX_BUFFERED_BYTES.
MAX_UNSENT_BYTES = 65_536


class Worker(GeventWorker):  # type: ignore[misc]  # untyped
    """A gevent worker that drains, and that notices SIGTERM at once instead of within a second."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  gunicorn's own
        super().__init__(*args, **kwargs)
        self.idle: dict[socket, None] = {}  # in order: the one that is idle for longest comes first
        self.in_flight: set[Request] = set()
        self.stopping = Event()

    def init_process(self) -> None:
        """Heed SIGTERM from the start, which gunicorn would not see until the application is loaded."""
        signal.signal(signal.SIGTERM, self.handle_exit)
        limit_requests()
        BUFFERED.limit = self.app.settings.max_buffered_bytes
        super().init_process()

    def run(self) -> None:
        """Serve until told to stop, then finish the requests in flight."""
        for listener in self.sockets:  # accepted connections inherit it
            listener.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
        pool = Pool(self.worker_connections)
        servers = [StreamServer(s, partial(self.handle, s), spawn=pool) for s in self.sockets]
        for server in servers:
            if self.cfg.workers > 1:
                server.max_accept = 1  # leave connections to the other workers
            server.start()
        while self.alive:
            self.notify()
            self.stopping.wait(1.0)

        for server in servers:
            server.stop_accepting()
        gevent.sleep(0)  # a handler begins by asking its listener's address: let those of new connections
        for server in servers:
            server.close()
        for req in self.in_flight:
            req.force_close()  # or the answer would promise to keep the connection
        for connection in self.idle:
            end_reads(connection)
        deadline = monotonic() + self.cfg.graceful_timeout
        while not pool.join(timeout=1.0) and monotonic() < deadline:
            self.notify()
        pool.kill()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; called on SIGTERM."""
        super().handle_exit(sig, frame)
        self.stopping.set()

    def timeout_ctx(self) -> gevent.Timeout:
        """Return the time limit for a connection's next request, its headers included."""
        return gevent.Timeout(self.cfg.keepalive if self.alive else LAST_REQUEST_TIMEOUT, exception=False)

    def handle(self, listener: socket, client: socket, addr: Any) -> None:  # noqa: ANN401  any family
        """Serve a connection."""
        self.mark_idle(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self.idle.pop(client, None)

    def handle_request(self, listener_name: Any, req: Request, sock: socket, addr: Any) -> None:  # noqa: ANN401
        """Serve one request of a connection."""
        if draining():
            req.force_close()
        self.idle.pop(sock, None)
        self.in_flight.add(req)
        corked = CorkedSocket(sock, self.cfg.graceful_timeout)
        try:
            super().handle_request(listener_name, req, corked, addr)
        finally:
            self.in_flight.discard(req)
            corked.flush()
        self.mark_idle(sock)
        gevent.sleep(0)  # others have their turn, also where the next request is already there
        if not has_body(req):
            return
        with self.timeout_ctx():
            if discard_body(req):
                return
        raise StopIteration  # where the next request begins is not known

    def mark_idle(self, connection: socket) -> None:
        """Note that a connection has no request in flight; the oldest of too many makes room for others."""
        self.idle[connection] = None
        if len(self.idle) > self.worker_connections * 3 // 4:
            oldest = next(iter(self.idle))
            del self.idle[oldest]
            end_reads(oldest)


def end_reads(connection: socket) -> None:
    """Let the handler see the end of the connection, after what has already arrived on it.

    Not by gevent's own shutdown(), which raises in the handler instead.
    """
    plain_socket = get_original("socket", "socket")
    with suppress(OSError), plain_socket(fileno=os.dup(connection.fileno())) as plain:
        plain.shutdown(SHUT_RD)
