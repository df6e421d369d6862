"""A Flask application that answers nothing but JSON and knows its own health."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, ServiceUnavailable

from common.contract import PROBE_PATHS, error_fields
from common.drain import draining

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def json_app(source: str, max_in_flight: int, ready: Callable[[], object] = lambda: None) -> Flask:
    """Return an application with JSON errors, /healthz, /readyz and a limit on requests in flight.

    Args:
        source: the service's name, which each answer carries.
        max_in_flight: requests in flight at once in this process; any more get a 503.
        ready: raises ServiceUnavailable while the process is not ready for traffic.
    """
    app = Flask(source, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]  # status_code comes first
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # its answer has no body
    app.url_map.merge_slashes = False  # its redirect is HTML

    def as_json(error: HTTPException) -> Response:
        response = jsonify(error_fields(error.code or 500, explain(error), source))
        response.status_code = error.code or 500
        # Allow, Retry-After; the content type stays JSON.
        response.headers.extend((k, v) for k, v in error.get_headers() if k != "Content-Type")
        return response

    def unexpected(error: Exception) -> Response:
        app.logger.error("unexpected error", exc_info=error)
        return as_json(InternalServerError("internal error; the service's log has the details"))

    def known(error: HTTPException) -> Response:
        if error.__cause__:  # what the caller is not told
            app.logger.warning("%s: %s", error.description, error.__cause__)
        return as_json(error)

    app.register_error_handler(HTTPException, known)
    app.register_error_handler(Exception, unexpected)

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        return {"status_code": 200, "message": "healthy", "source": source}

    @app.get("/readyz")
    def readyz() -> dict[str, Any]:
        if draining():
            raise ServiceUnavailable("draining: this process is about to stop")
        ready()
        return {"status_code": 200, "message": "ready", "source": source}

    too_many = ServiceUnavailable(f"more than {max_in_flight} requests in flight", retry_after=1)

    def refuse(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        with app.app_context():
            return as_json(too_many)(environ, start_response)

    limited = limit_in_flight(app.wsgi_app, max_in_flight, refuse)
    app.wsgi_app = with_path(limited)  # type: ignore[assignment,method-assign]
    return app


def explain(error: HTTPException) -> str:
    """Return the error in words: what was wrong and, for a method, what is allowed."""
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        return f"method not allowed; allowed: {', '.join(sorted(error.valid_methods))}"
    return error.description or error.name


def with_path(app: "WSGIApplication") -> "WSGIApplication":
    """Return app with `/` for an empty path (`GET http://host`), which Flask would redirect in HTML."""

    def app_with_path(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["PATH_INFO"] = environ["PATH_INFO"] or "/"
        return app(environ, start_response)

    return app_with_path


def limit_in_flight(app: "WSGIApplication", limit: int, refuse: "WSGIApplication") -> "WSGIApplication":
    """Return app with refuse answering while limit requests are in flight; probes always pass."""
    in_flight = 0

    def limited_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        nonlocal in_flight  # no lock: one thread, which switches only while it waits
        if environ["PATH_INFO"] in PROBE_PATHS:
            return app(environ, start_response)
        if in_flight >= limit:
            return refuse(environ, start_response)
        in_flight += 1
        try:
            return app(environ, start_response)
        finally:
            in_flight -= 1

    return limited_app
