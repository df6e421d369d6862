"""Limits on the answers that a process works on and holds; probes always pass."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import ServiceUnavailable

from common.budget import BUFFERED
from common.contract import PROBE_PATHS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ErrorResponse = Callable[[ServiceUnavailable], Response]


def hold_answers(app: Flask, error_response: ErrorResponse) -> None:
    """Count each answer in the process's budget until it is sent; what does not fit becomes a 503."""

    @app.after_request
    def hold(response: Response) -> Response:
        size = response.content_length or 0
        # A file is sent in pieces and held by nobody; werkzeug would not call back once it is sent.
        if request.path in PROBE_PATHS or response.direct_passthrough:
            return response
        if not BUFFERED.take(size):
            return error_response(ServiceUnavailable("too many large answers at once", retry_after=1))
        response.call_on_close(partial(BUFFERED.release, size))
        return response


def limit_in_flight(app: Flask, limit: int, error_response: ErrorResponse) -> "WSGIApplication":
    """Return the application, answering 503 while `limit` requests are in flight; probes always pass."""
    limited, in_flight = app.wsgi_app, 0
    refusal = ServiceUnavailable(f"more than {limit} requests in flight", retry_after=1)

    def done() -> None:
        nonlocal in_flight  # no lock: one thread, which switches only while it waits
        in_flight -= 1

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        nonlocal in_flight
        if environ["PATH_INFO"] in PROBE_PATHS:
            return limited(environ, start_response)
        if in_flight >= limit:
            with app.app_context():
                return error_response(refusal)(environ, start_response)
        in_flight += 1
        try:
            answer = limited(environ, start_response)
        except BaseException:
            done()
            raise
        return Closing(answer, done)

    return wsgi_app


class Closing:
    """An answer that calls back when the server closes it: once it is sent or given up (PEP 3333)."""

    def __init__(self, answer: Iterable[bytes], done: Callable[[], None]) -> None:
        self.answer, self.done = answer, done

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.answer)

    def close(self) -> None:
        try:
            getattr(self.answer, "close", lambda: None)()
        finally:
            self.done()
