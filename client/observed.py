"""The backend as the log sees it: how each call went, after how many tries, and which Pod answered."""

import re
from collections.abc import Callable
from functools import partial
from time import monotonic
from urllib.parse import urlsplit

import requests
from flask import request as flask_request
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from client.answer import Answer
from client.errors import BadAnswer, BrokenOff, TooSlow, Unreachable
from client.settings import Settings
from client.upstream import Attempted, BackendAnswer, Upstream
from common.contract import CALL, LOG_FIELDS, POD
from common.gauges import GAUGES
from common.spans import TRACE, Trace
from common.urls import masked_url, port_of

# X-Served-By: a Pod, and perhaps its node.
SERVED_BY = re.compile(r"[A-Za-z0-9._-]{1,253}( [A-Za-z0-9._-]{1,253})?")
# How a call may end without an answer.
FAILURES = {
    Unreachable: "unreachable",
    BrokenOff: "broken_off",
    BadAnswer: "bad_answer",
    TooSlow: "too_slow",
    ServiceUnavailable: "no_room",
}


class ObservedCall:
    """What is known of a call besides its answer."""

    def __init__(self) -> None:
        self.tries = 0
        self.pod = ""
        self.status = 0  # of the latest response


class ObservedUpstream(Upstream):
    """The backend, each call to which is in the log line of the request that made it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.in_flight = 0
        self.shown_url = masked_url(settings.url)
        GAUGES["http_client_open_connections"] = self.connections

    def connections(self) -> int:
        """Return how many connections to the backend are open."""
        return self.in_flight + sum(map(len, self.adapter.idle.values()))

    def retried(self, request: requests.PreparedRequest, attempt: Callable[..., Attempted]) -> Attempted:
        """Make attempts until one succeeds, or none more is allowed; return its answer."""
        began, outcome, environ = monotonic(), "given_up", flask_request.environ
        if TRACE in environ:
            attempt = partial(self.traced, environ[TRACE], attempt)
        self.in_flight += 1
        request.call = call = ObservedCall()  # type: ignore[attr-defined]  # for send()
        try:
            answer = super().retried(request, attempt)
            is_error = isinstance(answer, BackendAnswer) and answer.status >= 500
            outcome = "error" if is_error else "ok"
        except HTTPException as error:
            outcome = FAILURES[type(error)]
            raise
        else:
            return answer
        finally:
            self.in_flight -= 1
            seconds = monotonic() - began
            environ[CALL], environ[POD] = (outcome, seconds, call.tries), call.pod
            fields = f',"call":"{outcome}","call_ms":{1000 * seconds:.1f},"tries":{call.tries}'
            environ[LOG_FIELDS] = f'{fields},"backend":"{call.pod}"'

    def send(self, request: requests.PreparedRequest, connect_timeout: float) -> Answer:
        """Send a request and return the answer, of which only the head has been read."""
        call: ObservedCall = request.call  # type: ignore[attr-defined]
        call.tries += 1
        answer = super().send(request, connect_timeout)
        call.status = answer.status
        if SERVED_BY.fullmatch(pod := answer.header(b"x-served-by")):
            call.pod = pod
        return answer

    def traced(
        self,
        trace: Trace,
        attempt: Callable[..., Attempted],
        request: requests.PreparedRequest,
        connect_timeout: float,
    ) -> Attempted:
        """Make an attempt as a span of its own, above the backend's; a stream's ends with the first event."""
        call: ObservedCall = request.call  # type: ignore[attr-defined]
        path = urlsplit(request.url or "").path.removeprefix(self.base.path)
        attributes = {
            "http.request.method": request.method,
            "url.full": f"{self.shown_url}{path}",  # without the query, which may have anything
            "server.address": self.base.hostname,
            "server.port": port_of(self.base),
        }
        if call.tries:
            attributes["http.request.resend_count"] = call.tries
        with trace.waiting(request.method or "", attributes) as span:
            call.status = 0
            added = {"traceparent": trace.traceparent(span)}
            request.headers = {**request.headers, **added}  # type: ignore[assignment]  # a dict already
            try:
                return attempt(request, connect_timeout)
            finally:
                if call.status:
                    span.attributes["http.response.status_code"] = call.status
                if call.status >= 400:
                    span.attributes["error.type"] = str(call.status)
