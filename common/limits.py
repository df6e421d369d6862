"""Limits on the answers that a process works on and holds; probes always pass."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from werkzeug.exceptions import ServiceUnavailable

from common.budget import BUFFERED
from common.contract import PROBE_PATHS, REFUSED, with_warning

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ErrorResponse = Callable[..., Response]

# What a request counts in the budget, in its environ: werkzeug does not call back on every end.
HELD = "common.held"


def hold_answers(app: Flask, error_response: ErrorResponse) -> None:
    """Count each answer in the process's budget until it is sent; what does not fit becomes a 503."""

    @app.after_request
    def hold_answer(response: Response) -> Response:
        environ = request.environ  # each look at `request` is a call or two
        if environ["PATH_INFO"] in PROBE_PATHS or response.direct_passthrough:  # a file is sent in pieces
            return response
        try:
            hold(environ, response.content_length or 0, "too many large answers at once")
        except ServiceUnavailable as refusal:
            refusal.description = with_warning(refusal.description, request.method)
            return error_response(refusal)
        return response


def hold(environ: "WSGIEnvironment", size: int, refusal: str) -> None:
    """Count bytes in the process's budget until the request's answer is sent.

    Raises:
        ServiceUnavailable: they do not fit; described as `refusal`.
    """
    if not BUFFERED.take(size):
        environ[REFUSED] = "bytes"
        raise ServiceUnavailable(refusal, retry_after=1)
    environ[HELD] = environ.get(HELD, 0) + size


def limit_in_flight(app: Flask, limit: int, error_response: ErrorResponse) -> "WSGIApplication":
    """Return the application, answering 503 while `limit` requests are in flight; probes always pass.

    A request is in flight, and its answer held, until the server closes the answer.
    """
    limited, in_flight = app.wsgi_app, 0
    refusal = ServiceUnavailable(f"more than {limit} requests in flight", retry_after=1)

    def done(environ: "WSGIEnvironment") -> None:
        nonlocal in_flight  # no lock: one thread, which switches only while it waits
        in_flight -= 1
        BUFFERED.release(environ.pop(HELD, 0))

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        nonlocal in_flight
        if environ["PATH_INFO"] in PROBE_PATHS:
            return limited(environ, start_response)
        if in_flight >= limit:
            environ[REFUSED] = "in_flight"
            with app.app_context():
                return error_response(refusal, environ)(environ, start_response)
        in_flight += 1
        try:
            answer = limited(environ, start_response)
        except BaseException:
            done(environ)
            raise
        return Closing(answer, partial(done, environ))

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
