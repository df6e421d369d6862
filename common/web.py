"""A Flask application that answers nothing but JSON, knows its own health and bounds what it holds."""

from collections.abc import Callable, Iterable
from functools import partial
from json import JSONEncoder
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response, request
from flask.json.provider import DefaultJSONProvider
from flask.sessions import NullSession, SessionInterface
from gunicorn.http.errors import NoMoreData, ParseException
from werkzeug.datastructures import Headers
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
    RequestEntityTooLarge,
    ServiceUnavailable,
)
from werkzeug.routing import MapAdapter, Rule

from common import sse, strict_json
from common.bodies import WholeRequest
from common.contract import INTERNAL_ERROR, ROUTE, error_fields
from common.drain import draining
from common.limits import hold_answers, limit_in_flight
from common.serving.refusals import explain as explain_refusal
from common.serving.request_limits import TooManyBytes
from common.trace_context import TRACE_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class NoSessions(SessionInterface):
    """Sessions for an application without a secret key: none, and Flask's error where one is written to."""

    none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002  Flask's own
        """Return the same empty session for every request; Flask would make a new one."""
        return self.none


class RememberingAdapter(MapAdapter):
    """The routes as a request sees them, which remember what a path without arguments matches.

    Werkzeug's search leaves cycles behind, for which the garbage collector runs every few dozen requests.

    Args:
        matched: rules by path and method, which all requests share; spelt as in the rule, so they are few.
    """

    def __init__(self, matched: dict[tuple[str, str], Rule], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self.matched = matched

    def match(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  werkzeug's own
        """Return a rule and its arguments; as Flask asks for them, without a search where it can."""
        if args or kwargs != {"return_rule": True}:
            return super().match(*args, **kwargs)
        key = self.path_info, self.default_method
        if key in self.matched:
            return self.matched[key], {}
        rule, arguments = super().match(return_rule=True)
        if not arguments and self.path_info == rule.rule and self.default_method in (rule.methods or ()):
            self.matched[key] = rule
        return rule, arguments


class PlainFlask(Flask):
    """Flask without what costs each request a few microseconds and no route here uses."""

    session_interface = NoSessions()

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  Flask's own
        super().__init__(*args, **kwargs)
        self.matched: dict[tuple[str, str], Rule] = {}

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return an adapter for the request; Flask's own would check the host, on which no route depends."""
        if request is None:
            return super().create_url_adapter(None)
        environ = request.environ
        return RememberingAdapter(
            self.matched,
            self.url_map,
            server_name=environ.get("HTTP_HOST", ""),
            script_name="/",
            subdomain="",
            url_scheme=environ["wsgi.url_scheme"],
            path_info=request.path,  # decoded
            default_method=environ["REQUEST_METHOD"],
            query_args=environ["QUERY_STRING"],
        )

    def preprocess_request(self) -> Any:  # noqa: ANN401  Flask's own
        """Note for the log which route a request matches, and call functions where any are registered."""
        matched = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  each look is a call
        if matched.url_rule:
            matched.environ[ROUTE] = matched.url_rule.rule
        registered = self.before_request_funcs or self.url_value_preprocessors
        return super().preprocess_request() if registered else None

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, which must not be a coroutine; Flask would look whether it is one."""
        return func


def json_app(
    source: str,
    max_in_flight: int,
    ready: Callable[[], object] = lambda: None,
    max_request_bytes: int | None = None,
    kind: type[PlainFlask] = PlainFlask,
) -> Flask:
    """Return an application with JSON errors, /healthz, /readyz and limits on what it holds.

    Args:
        source: the service's name, which each answer carries.
        max_in_flight: requests whose answers are not sent yet, in this process; any more get a 503.
        ready: raises ServiceUnavailable while the process is not ready for traffic.
        max_request_bytes: largest body that Flask reads; a larger one is a 413.
        kind: what turns the values that views return into answers.
    """
    app = kind(source, static_folder=None)
    app.json = PlainJSON(app)
    app.request_class = WholeRequest
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = max_request_bytes
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
        self.encoder = JSONEncoder(separators=(",", ":"), default=self.default, allow_nan=False)

    def dumps(self, obj: Any, **_: Any) -> str:  # noqa: ANN401  Flask's own
        """Return a value as a line of JSON."""
        return f"{self.encoder.encode(obj)}\n"

    def loads(self, s: str | bytes, **_: Any) -> Any:  # noqa: ANN401  Flask's own
        """Return the value of a request's body; ValueError if it is not JSON (RFC 8259) or too deep."""
        return strict_json.loads_shallow(s if isinstance(s, bytes) else s.encode())

    def response(self, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401  Flask's own
        """Return an answer with the arguments as jsonify() takes them."""
        fields = (args[0] if len(args) == 1 else args) if args else kwargs
        return Response(self.dumps(fields), mimetype=self.mimetype)


class ContractResponse(Response):
    """An answer that keeps the contract: JSON with the status, and with the service's name."""

    def get_wsgi_headers(self, environ: "WSGIEnvironment") -> Headers:
        """Return the headers; werkzeug would look for what only an answer other than a 200 may need."""
        return self.headers if self.status_code == 200 else super().get_wsgi_headers(environ)


def contract_response(app: Flask, fields: dict[str, Any], status: int) -> ContractResponse:
    """Return the answer with these fields, which include those of the contract."""
    return ContractResponse(app.json.dumps(fields), status, content_type="application/json")


def answer_errors(app: Flask) -> None:
    """Answer every exception in JSON."""

    def answer(error: Exception) -> Response:
        return error_response(app, logged(app, error))

    def unreadable(error: Exception) -> Response:
        if isinstance(error, TooManyBytes):
            return error_response(app, ServiceUnavailable(explain_refusal(error)[1], retry_after=1))
        return error_response(app, BadRequest("malformed body; allowed: Content-Length bytes, or chunks"))

    for kind in (TooManyBytes, ParseException, NoMoreData):  # while a body is read
        app.register_error_handler(kind, unreadable)
    app.register_error_handler(Exception, answer)


def logged(app: Flask, error: Exception) -> HTTPException:
    """Log what a caller is not told of an error; return what he is told."""
    if not isinstance(error, HTTPException):
        app.logger.error("unexpected error", exc_info=error)
        return InternalServerError(INTERNAL_ERROR)
    if error.__cause__:
        app.logger.warning("%s: %s", error.description, error.__cause__)
    return error


def error_response(app: Flask, error: HTTPException, environ: "WSGIEnvironment | None" = None) -> Response:
    """Return the JSON answer that reports an error; `environ` is only needed where Flask has no request."""
    status = error.code or 500
    trace_id = (environ or request.environ).get(TRACE_ID, "")
    response = contract_response(app, error_fields(status, explain(app, error), app.name, trace_id), status)
    # Allow, Retry-After; the content type stays JSON.
    response.headers.extend((k, v) for k, v in error.get_headers() if k != "Content-Type")
    return response


def failed_event(app: Flask, error: Exception, trace_id: str) -> bytes:
    """Return the last event of a stream that an error ended; Flask has no request any more."""
    told = logged(app, error)
    fields = error_fields(told.code or 500, explain(app, told), app.name, trace_id)
    return sse.encoded(app.json.dumps(fields).strip().encode(), sse.FAILED)


def explain(app: Flask, error: HTTPException) -> str:
    """Return the error in words: what was wrong and, for a method or a size, what is allowed."""
    if isinstance(error, RequestEntityTooLarge):
        return f"body too large; allowed: {app.config['MAX_CONTENT_LENGTH']} bytes{allowed_parts(app)}"
    if isinstance(error, ClientDisconnected):
        return "body shorter than announced; allowed: as its Content-Length says"
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        return f"method not allowed; allowed: {', '.join(sorted(error.valid_methods))}"
    return error.description or error.name


def allowed_parts(app: Flask) -> str:
    """Return how many parts a form may have, for a request that sends one in parts."""
    return f" in {app.config['MAX_FORM_PARTS']} parts" if request.mimetype == "multipart/form-data" else ""


def answer_probes(app: Flask, ready: Callable[[], object]) -> None:
    """Answer Kubernetes' probes."""

    @app.get("/healthz")
    def healthz() -> Response:
        return contract_response(app, {"status_code": 200, "message": "healthy", "source": app.name}, 200)

    @app.get("/readyz")
    def readyz() -> Response:
        if draining():
            raise ServiceUnavailable("draining: this process is about to stop")
        ready()
        return contract_response(app, {"status_code": 200, "message": "ready", "source": app.name}, 200)


def with_path(app: "WSGIApplication") -> "WSGIApplication":
    """Return app with `/` for an empty path (`GET http://host`), which Flask would redirect in HTML."""

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ["PATH_INFO"] = environ["PATH_INFO"] or "/"
        return app(environ, start_response)

    return wsgi_app
