"""Which requests are traced, and what is noted of them: never a query, nor a header but User-Agent."""

from collections.abc import Callable, Iterable
from random import getrandbits
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

from common.callers import caller_behind
from common.contract import NAMED_METHODS, PROBE_PATHS, ROUTE
from common.limits import Closing
from common.spans import TRACE, Trace
from common.trace_context import PARENT_ID, TRACE_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Traced by a process within a second, whatever callers ask for.
MAX_TRACES = 100
SAMPLED = 1  # a flag of a traceparent
# Of a text that a caller chose (characters).
MAX_TEXT = 500


class Sampling:
    """Decides which requests are traced.

    Args:
        chooses: returns whether to trace what has this trace id, where no caller has decided.
        follows: whether callers decide.
    """

    def __init__(self, chooses: Callable[[int], bool], *, follows: bool) -> None:
        self.chooses, self.follows = chooses, follows
        self.second, self.left = 0, MAX_TRACES

    def trace(self, environ: "WSGIEnvironment") -> Trace | None:
        """Return the trace of a request; None if it is not traced."""
        sent = environ["HTTP_TRACEPARENT"]
        parent_id, flags = environ.get(PARENT_ID, ""), int(sent[-2:], 16)
        wanted = flags & SAMPLED if parent_id and self.follows else self.chooses(int(sent[3:35], 16))
        if wanted and self.has_room():
            trace = Trace(environ[TRACE_ID], flags | SAMPLED, parent_id)
            environ["HTTP_TRACEPARENT"] = trace.traceparent(trace.request)
            return trace
        if flags & SAMPLED:  # what is not traced here must not be said to be
            environ["HTTP_TRACEPARENT"] = f"{sent[:36]}{getrandbits(64):016x}-{flags & ~SAMPLED:02x}"
        return None

    def has_room(self) -> bool:
        """Count a trace; return whether there was room for it."""
        if (second := int(monotonic())) != self.second:
            self.second, self.left = second, MAX_TRACES
        self.left -= 1
        return self.left >= 0


def traced(
    app: "WSGIApplication", sampling: Sampling, send: Callable[[Trace], object], proxies: str
) -> "WSGIApplication":
    """Return the application, some of whose requests are traced.

    Args:
        app: the application.
        sampling: which.
        send: takes the trace of a request that has been answered.
        proxies: TRUSTED_PROXIES.
    """

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] in PROBE_PATHS or not (trace := sampling.trace(environ)):
            return app(environ, start_response)
        environ[TRACE] = trace
        attributes = trace.request.attributes

        def begin(status: str, *more: Any) -> Any:  # noqa: ANN401  WSGI's
            attributes["http.response.status_code"] = int(status[:3])
            return start_response(status, *more)

        def end() -> None:
            trace.request.ended = time_ns()
            trace.request.name = describe(environ, attributes, proxies)
            send(trace)

        try:
            answer = app(environ, begin)
        except BaseException:
            end()
            raise
        return Closing(answer, end)

    return wsgi_app


def describe(environ: "WSGIEnvironment", attributes: dict[str, Any], proxies: str) -> str:
    """Add a request's attributes; return the name of its span."""
    method, route = environ["REQUEST_METHOD"], environ.get(ROUTE, "")
    method = method if method in NAMED_METHODS else "_OTHER"
    address = environ["REMOTE_ADDR"]
    forwarded_for = environ.get("HTTP_X_FORWARDED_FOR")
    attributes |= {
        "http.request.method": method,
        "url.scheme": environ["wsgi.url_scheme"],
        "url.path": text(environ["RAW_URI"].partition("?")[0]),
        "client.address": caller_behind(proxies, address, forwarded_for) if forwarded_for else address,
        "network.peer.address": address,
        "network.protocol.version": environ["SERVER_PROTOCOL"].partition("/")[2],
    }
    if agent := environ.get("HTTP_USER_AGENT"):
        attributes["user_agent.original"] = text(agent)
    if route:
        attributes["http.route"] = route
    status = attributes.get("http.response.status_code", 0)
    if status >= 500:
        attributes["error.type"] = str(status)
    return f"{'HTTP' if method == '_OTHER' else method} {route}".rstrip()


def text(sent: str) -> str:
    """Return a text of a request, which is Latin-1 to WSGI."""
    return sent.encode("latin-1", "replace").decode(errors="replace")[:MAX_TEXT]
