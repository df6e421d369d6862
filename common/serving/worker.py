"""gunicorn's gevent worker, made to stop without losing a request.

An idle keep-alive connection is the danger: close it, and a caller that uses it in that instant
sees a reset (gunicorn issues 1236 and 3397). So a stop has these steps:

1. draining (preStop): every answer says `Connection: close`, and callers move to other Pods;
2. SIGTERM: no new connections; idle ones are kept for HOLD if the process drained, so that their
   callers come by and are told to close, too, and closed at once if it did not; requests go on;
3. requests_timeout later: whatever still runs is cut off.

A worker that is retired while others go on serving hands its idle connections to them.
"""

import signal
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from socket import IPPROTO_TCP, TCP_NOTSENT_LOWAT
from time import monotonic, time
from types import FrameType
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.socket import socket
from gunicorn.http.message import Request
from gunicorn.workers.ggevent import GeventWorker

from common.budget import BUFFERED
from common.contract import REFUSED
from common.drain import FLAG, draining
from common.serving.arbiter import RETIRE
from common.serving.cached import cache_for_requests
from common.serving.connection import HEAD_TIMEOUT, Connection
from common.serving.connections import Connections
from common.serving.hang_ups import watch
from common.serving.listener import Address, Listener
from common.serving.log_setup import log_exception
from common.serving.overload import Overload
from common.serving.parts import attach_parts
from common.serving.refusals import answer, echo, explain, without_echo
from common.serving.request_limits import discard_body, has_body, limit_requests
from common.serving.stopping import HOLD, PRE_STOP, requests_timeout
from common.trace_context import new_trace, with_trace_id

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
        self.told_at = 0.0  # to stop
        self.is_retiring = False

    def init_process(self) -> None:
        """Heed SIGTERM from the start, which gunicorn would not see until the application is loaded."""
        signal.signal(signal.SIGTERM, self.handle_exit)
        signal.signal(RETIRE, self.handle_retire)
        limit_requests()
        cache_for_requests()
        BUFFERED.limit = self.app.settings.max_buffered_bytes
        # gunicorn looks each option up some twenty times for each request, by a method in Python.
        self.cfg.__dict__.update({name: each.get() for name, each in self.cfg.settings.items()})
        super().init_process()

    def init_signals(self) -> None:
        """Heed RETIRE beside gunicorn's own signals."""
        super().init_signals()
        signal.signal(RETIRE, self.handle_retire)
        signal.siginterrupt(RETIRE, False)  # noqa: FBT003  as gunicorn does

    def load_wsgi(self) -> None:
        """Load the application."""
        self.overload = Overload(self.app.service, self.must_close, self.log)
        self.wsgi = self.overload.wrap(self.app.wsgi())
        attach_parts(self)
        self.wsgi = with_trace_id(self.wsgi)

    def run(self) -> None:
        """Serve until told to stop, then finish what callers have begun."""
        for listener in self.sockets:  # accepted connections inherit it
            listener.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, MAX_UNSENT_BYTES)
        gevent.get_hub().print_exception = lambda _, kind, error, trace: log_exception(kind, error, trace)
        pool = Pool(self.worker_connections)
        self.address = Address(self.sockets[0])
        listeners = [Listener(s, partial(self.handle, Address(s)), pool, self.connect) for s in self.sockets]
        for listener in listeners:
            listener.start()
        self.app.handover.open()
        adopting = gevent.spawn(self.adopt, pool)
        gevent.spawn(watch, self.connections, self.log)
        while self.alive:
            self.look_after_connections()
            self.stopping.wait(1.0)

        for listener in listeners:
            listener.close()
        adopting.kill()
        for connection in self.connections.open:
            if connection.request and connection.head is None:
                connection.request.force_close()  # or the answer would promise to keep the connection
        self.finish(pool)

    def finish(self, pool: Pool) -> None:
        """Wait for callers for as long as the kind of stop allows."""
        handing_over = gevent.Greenlet(self.hand_over)
        if self.is_retiring:
            handing_over.start()
        while self.holds() and not pool.join(timeout=1.0):
            self.look_after_connections()
        handing_over.kill()
        cut_off = monotonic() + requests_timeout(self.app.settings)
        self.connections.end_resting()
        while monotonic() < cut_off and not pool.join(timeout=1.0):
            self.look_after_connections()
            self.connections.end_resting()  # also those that came to rest since
        pool.kill()

    def holds(self) -> bool:
        """Return whether to wait for what callers may still send."""
        waited = monotonic() - self.told_at
        if self.is_retiring:
            return waited < HEAD_TIMEOUT
        with suppress(OSError):
            return waited < HOLD - PRE_STOP and time() < FLAG.stat().st_mtime + HOLD
        return False

    def hand_over(self) -> None:
        """Leave idle connections to the workers that go on serving."""
        while True:
            self.app.handover.send(list(self.connections.resting))
            gevent.sleep(0.1)  # others come to rest later

    def adopt(self, pool: Pool) -> None:
        """Serve the connections of workers that retire."""
        while True:
            sock, address = self.app.handover.receive()
            pool.spawn(self.handle, self.address, self.connect(sock, address), address)

    def look_after_connections(self) -> None:
        """Do what is due once a second."""
        self.notify()
        self.connections.end_late()
        self.connections.trim_memory()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; called on SIGTERM."""
        super().handle_exit(sig, frame)
        self.is_retiring = False
        self.told_at = monotonic()
        self.stopping.set()

    def handle_retire(self, sig: int, frame: FrameType | None) -> None:
        """Stop, but leave the connections to others; called on RETIRE, again and again."""
        if self.alive:
            self.handle_exit(sig, frame)
            self.is_retiring = True

    def connect(self, sock: socket, address: Any) -> Connection:  # noqa: ANN401  any family
        """Return the connection of a caller's socket."""
        return Connection(sock, address, self.connections, self.overload, self.app.settings.answer_timeout)

    def must_close(self, connection: Connection) -> bool:
        """Return whether the next answer must say that the connection is closed."""
        return draining() or not self.alive or connection.is_ended or self.connections.are_many()

    def timeout_ctx(self) -> AbstractContextManager[None]:
        """Return no limit for gunicorn's wait for a request: the connection has its own."""
        return NO_TIMEOUT

    def handle_request(self, listener_name: Any, req: Request, connection: Connection, addr: Any) -> None:  # noqa: ANN401
        """Serve one request of a connection."""
        if self.must_close(connection):
            req.force_close()
        began = monotonic()
        connection.request, connection.began, connection.handler = req, began, gevent.getcurrent()
        connection.cork()
        try:
            super().handle_request(listener_name, req, connection, addr)
        finally:
            connection.request = None
            connection.flush()
            if connection.is_late:
                self.overload.count(began)
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
        trace_id, _ = new_trace()
        more = {"status": status, "caller": addr[0], "trace_id": trace_id}
        self.log.count({REFUSED: "malformed"} if status < 500 else {}, str(status), 0.0)
        if status == 500:
            self.log.error("error handling %s", echo(req and req.path), exc_info=exc, extra={"fields": more})
        else:
            self.log.warning("refused a request: %s", without_echo(exc), extra={"fields": more})
        with suppress(OSError):
            connection.send(answer(status, why, self.app.service, trace_id))
