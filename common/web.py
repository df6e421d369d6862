"""A Flask application that answers nothing but JSON, knows its own health and bounds what it holds."""

from collections.abc import Callable, Iterable
from functools import partial
from json import JSONEncoder
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, ServiceUnavailable

from common.contract import error_fields
from common.drain import draining
from common.limits import hold_answers, limit_in_flight

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def json_app(source: str, max_in_flight: int, ready: Callable[[], object] = lambda: None) -> Flask:
    """Return an application with JSON errors, /healthz, /readyz and limits on what it holds.

    Args:
        source: the service's name, which each answer carries.
        max_in_flight: requests whose answers are not sent yet, in this process; any more get a 503.
        ready: raises ServiceUnavailable while the process is not ready for traffic.
    """
    app = Flask(source, static_folder=None)
    app.json = PlainJSON(app)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # its answer has no body
    app.url_map.merge_slashes = False  # its redirect is HTML
    answer_errors(app)
    answer_probes(app, ready)
    refuse = partial(error_response, app)
    hold_answers(app, refuse)
    limited = limit_in_flight(app, max_in_flight, refuse)
    app.wsgi_app = with_path(limited)  # type: ignore[assignment,method-assign]
    return app


class PlainJSON(DefaultJSONProvider):
    """JSON provider that keeps the order of fields, and its encoder from one answer to the next."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self.encoder = JSONEncoder(separators=(",", ":"), default=self.default)

    def response(self, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401  Flask's own
        """Return an answer with the arguments as jsonify() takes them."""
        fields = (args[0] if len(args) == 1 else args) if args else kwargs
        return Response(f"{self.encoder.encode(fields)}\n", mimetype=self.mimetype)


def answer_errors(app: Flask) -> None:
    """Answer every exception in JSON."""

    def unexpected(error: Exception) -> Response:
        app.logger.error("unexpected error", exc_info=error)
        return error_response(app, InternalServerError("internal error; the service's log has the details"))

    def known(error: HTTPException) -> Response:
        if error.__cause__:  # what the caller is not told
            app.logger.warning("%s: %s", error.description, error.__cause__)
        return error_response(app, error)

    app.register_error_handler(HTTPException, known)
    app.register_error_handler(Exception, unexpected)


def error_response(app: Flask, error: HTTPException) -> Response:
    """Return the JSON answer that reports an error."""
    response = jsonify(error_fields(error.code or 500, explain(error), app.name))
    response.status_code = error.code or 500
    # Allow, Retry-After; the content type stays JSON.
    response.headers.extend((k, v) for k, v in error.get_headers() if k != "Content-Type")
    return response


def explain(error: HTTPException) -> str:
    """Return the error in words: what was wrong and, for a method, what is allowed."""
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        return f"method not allowed; allowed: {', '.join(sorted(error.valid_methods))}"
    return error.description or error.name


def answer_probes(app: Flask, ready: Callable[[], object]) -> None:
    """Answer Kubernetes' probes."""

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        return {"status_code": 200, "message": "healthy", "source": app.name}

    @app.get("/readyz")
    def readyz() -> dict[str, Any]:
        if draining():
            raise ServiceUnavailable("draining: this process is about to stop")
        ready()
        return {"status_code": 200, "message": "ready", "source": app.name}


def with_path(app: "WSGIApplication") -> "WSGIApplication":
    """Return app with `/` for an empty path (`GET http://host`), which Flask would redirect in HTML."""

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["PATH_INFO"] = environ["PATH_INFO"] or "/"
        return app(environ, start_response)

    return wsgi_app
