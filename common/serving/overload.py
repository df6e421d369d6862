"""Refuses requests that have waited too long in a worker that cannot keep up.

Work that never waits, such as SQLite's, keeps at most one request in flight: all others are in the
event loop's queue, where only what goes before them shows that they are too many. A request before which
the worker worked for MAX_WAIT is answered 503 before the application sees it, unless the worker worked for
less than BURST since the queue was empty.

Both are CPU time: a worker that gets no CPU is not the one that has too much to do. The time that refusals
take does not count: all refused callers come back at once, as Retry-After told them, and everybody behind
them would be refused, too.
"""

import json
import re
from collections.abc import Callable, Iterable
from time import monotonic, thread_time
from typing import TYPE_CHECKING

from common.contract import PROBE_PATHS, REFUSED, error_fields
from common.serving.access_log import AccessLogger, request_fields
from common.trace_context import TRACE_ID, new_trace, parse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from common.serving.connection import Connection

# The longest wait, so that refusals arrive within 0.25 s, and the longest burst that is answered: probes wait
# for it, too, and may take a second (seconds of CPU time).
MAX_WAIT, BURST = 0.15, 0.8
# How often the CPU time is looked at, which costs as much as ten looks at the clock (seconds).
INTERVAL = 0.01
# The most that a refusal counts: what takes longer did something else, too (seconds).
MAX_REFUSAL = 0.001
PROBES = tuple(path.encode() for path in PROBE_PATHS)
# Where a trace id of the same length goes.
PLACEHOLDER = "0" * 32
TRACEPARENT_LINE = re.compile(rb"\r\ntraceparent:[ \t]*([!-~]+)[ \t]*\r\n", re.IGNORECASE)
# A head without these can be answered without being parsed.
SPECIAL = (b"content-length", b"transfer-encoding", b"expect", b"close")


class Overload:
    """Measures how long requests wait, and refuses those that have waited too long, except probes.

    Args:
        source: the service's name.
        must_close: returns whether the next answer on a connection must say that it closes.
        log: the access log.
    """

    def __init__(self, source: str, must_close: "Callable[[Connection], bool]", log: AccessLogger) -> None:
        self.must_close = must_close
        self.log = log
        self.refusing = 0.0  # seconds spent on refusals
        self.joined = self.served = 0  # numbers of the latest request in the queue, and out of it
        self.filled = 0.0  # the work that had been done when the queue was last empty
        self.work, self.looked_at = 0.0, -INTERVAL
        exc = f"busy: this request waited for {MAX_WAIT:g} s of other work"
        fields = error_fields(503, exc, source, PLACEHOLDER)
        self.body = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
        self.headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(self.body)),
            "Retry-After": "1",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        status = "HTTP/1.1 503 Service Unavailable\r\nConnection: keep-alive\r\n"
        self.answer = f"{status}{head}\r\n".encode() + self.body

    def join(self) -> tuple[int, float]:
        """Return the place of a request that joins the queue: its number, and the work done before."""
        worked = self.worked()
        if self.served == self.joined:
            self.filled = worked
        self.joined += 1
        return self.joined, worked - self.refusing

    def is_late(self, place: tuple[int, float]) -> bool:
        """Return whether a request has waited too long; called when its turn has come."""
        self.served, before = place
        worked = self.worked()
        return worked - self.refusing - before > MAX_WAIT and worked - self.filled > BURST

    def worked(self) -> float:
        """Return the CPU time of this thread, not more than INTERVAL old (seconds)."""
        now = monotonic()
        if now >= self.looked_at + INTERVAL:
            self.looked_at, self.work = now, thread_time()
        return self.work

    def refuse(self, connection: "Connection", head: bytes) -> bool:
        """Answer a late request and return True; return False if it has to be parsed first.

        Parsing takes longer than everything else that a refusal needs.
        """
        line = head.partition(b"\r\n")[0]
        lower = head.lower()
        if (
            not (line.startswith(b"GET /") and line.endswith(b" HTTP/1.1") and line.count(b" ") == 2)
            or line[4:-9].partition(b"?")[0] in PROBES
            or any(word in lower for word in SPECIAL)
            or self.must_close(connection)
        ):
            return False
        began = monotonic()
        match = TRACEPARENT_LINE.search(head)
        trace_id = parsed[0] if match and (parsed := parse(match[1].decode())) else new_trace()[0]
        self.log.count({"REQUEST_METHOD": "GET", REFUSED: "busy"}, "503", 0.0)
        connection.send(self.answer.replace(PLACEHOLDER.encode(), trace_id.encode()))
        fields = request_fields("GET", line[4:-9].decode("latin-1"), "503", len(self.body), 0.0)
        self.log.write(f'{fields},"caller":"{connection.address[0]}","trace_id":"{trace_id}"')
        self.count(began)
        return True

    def count(self, began: float) -> None:
        """Count the time since then as spent on a refusal."""
        self.refusing += min(monotonic() - began, MAX_REFUSAL)

    def wrap(self, app: "WSGIApplication") -> "WSGIApplication":
        """Return the application, answering 503 to late requests that had to be parsed."""

        def app_on_time(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            connection = environ["gunicorn.socket"]
            connection.environ = environ
            if not connection.is_late or environ["PATH_INFO"] in PROBE_PATHS:
                return app(environ, start_response)
            environ[REFUSED] = "busy"
            start_response("503 Service Unavailable", list(self.headers.items()))
            return [self.body.replace(PLACEHOLDER.encode(), environ[TRACE_ID].encode())]

        return app_on_time
