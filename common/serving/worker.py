"""gunicorn's gevent worker, made to stop without losing a request.

An idle keep-alive connection is the danger: close it, and a caller that uses it in that instant
sees a reset (gunicorn issues 1236 and 3397). So a stop has three steps:

1. draining (preStop): every answer says `Connection: close`, and callers move to other Pods;
2. SIGTERM: no new connections; connections still idle are closed; requests go on;
3. graceful_timeout later: whatever still runs is cut off.
"""

import signal
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from socket import IPPROTO_TCP, TCP_NOTSENT_LOWAT
from time import monotonic
from types import FrameType
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.socket import socket
from gunicorn.http.message import Request
from gunicorn.workers.ggevent import GeventWorker

from common.budget import BUFFERED
from common.drain import draining
from common.serving.connection import Connection
from common.serving.connections import Connections
from common.serving.listener import Listener
from common.serving.refusals import answer, echo, explain
from common.serving.request_limits import discard_body, has_body, limit_requests

NO_TIMEOUT = nullcontext()
# What the system takes of an answer before the caller's side has room; else it would take megabytes for
# each connection, which count against the container's memory but not against MAX_BUFFERED_BYTES.
MAX_UNSENT_BYTES = 65_536


class Worker(GeventWorker):  # type: ignore[misc]  # untyped
    """A gevent worker that drains, and that notices SIGTERM at once instead of within a second."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  gunicorn's own
        super().__init__(*args, **kwargs)
        self.connections = Connections(self.worker_connections, self.app.settings.idle_timeout)
        self.stopping = Event()

    def init_process(self) -> None:
        """Heed SIGTERM from the start, which gunicorn would not see until the application is loaded."""
        signal.signal(signal.SIGTERM, self.handle_exit)
        limit_requests()
        BUFFERED.limit = self.app.settings.max_buffered_bytes
        # gunicorn looks each option up some twenty times for each request, by a method in Python.
        self.cfg.__dict__.update({name: each.get() for name, each in self.cfg.settings.items()})
        super().init_process()

    def run(self) -> None:
        """Serve until told to stop, then finish the requests in flight."""
        for listener in self.sockets:  # accepted connections inherit it
            listener.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
        pool = Pool(self.worker_connections)
        servers = [Listener(s, partial(self.handle, s), pool, self.connect) for s in self.sockets]
        for server in servers:
            if self.cfg.workers > 1:
                server.max_accept = 1  # leave connections to the other workers
            server.start()
        while self.alive:
            self.look_after_connections()
            self.stopping.wait(1.0)

        for server in servers:
            server.stop_accepting()
        gevent.sleep(0)  # a handler begins by asking its listener's address: let those of new connections
        for server in servers:
            server.close()
        for request in filter(None, (each.request for each in self.connections.open)):
            request.force_close()  # or the answer would promise to keep the connection
        self.connections.end_resting()
        deadline = monotonic() + self.cfg.graceful_timeout
        while not pool.join(timeout=1.0) and monotonic() < deadline:
            self.look_after_connections()
        pool.kill()

    def look_after_connections(self) -> None:
        """Do what is due once a second."""
        self.notify()
        self.connections.end_late()
        self.connections.trim_memory()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; called on SIGTERM."""
        super().handle_exit(sig, frame)
        self.stopping.set()

    def connect(self, sock: socket) -> Connection:
        """Return the connection of a caller's socket."""
        return Connection(sock, self.connections, send_timeout=self.cfg.graceful_timeout)

    def timeout_ctx(self) -> AbstractContextManager[None]:
        """Return no limit for gunicorn's wait for a request: the connection has its own."""
        return NO_TIMEOUT

    def handle_request(self, listener_name: Any, req: Request, connection: Connection, addr: Any) -> None:  # noqa: ANN401
        """Serve one request of a connection."""
        if draining() or connection.is_ended or self.connections.are_many():
            req.force_close()
        connection.request = req
        connection.cork()
        try:
            super().handle_request(listener_name, req, connection, addr)
        finally:
            connection.request = None
            connection.flush()
        if has_body(req):
            self.connections.rest(connection)
            if not discard_body(req, connection):
                raise StopIteration  # where the next request begins is not known

    def handle_error(
        self,
        req: Request | None,
        connection: Connection,
        addr: Any,  # noqa: ANN401
        exc: BaseException,
    ) -> None:
        """Answer what did not reach the application, or what it did not answer."""
        if not isinstance(exc, Exception):  # the handler is told to end
            return
        status, why = explain(exc)
        if status == 500:
            self.log.error("error handling %s", echo(req and req.uri), exc_info=exc)
        else:
            self.log.warning("refused a request of %s: %s", addr[0], why)
        with suppress(OSError):
            connection.send(answer(status, why, self.app.service))
