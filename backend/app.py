"""The backend's routes. The logic behind them may change; the contract stays."""

from typing import Any
from urllib.parse import parse_qsl

from flask import Blueprint, Flask, request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import BadRequest, RequestURITooLarge

from backend.answers import AnsweringFlask
from backend.description import answer_description
from backend.logic import import_logic
from backend.parameters import checked
from backend.served_by import name_pod
from backend.settings import Settings
from common.contract import MAX_QUERY_BYTES, RESERVED_PATHS
from common.settings import SettingsError
from common.version import answer_version
from common.web import json_app

MAX_PARAMETERS = 1000
NO_PARAMETERS: ImmutableMultiDict[str, str] = ImmutableMultiDict()


def create_app(settings: Settings) -> Flask:
    """Return the backend as a Flask application."""
    logic = import_logic(settings)
    app = json_app("backend", settings.max_in_flight, logic.ready, settings.max_request_bytes, AnsweringFlask)
    app.config.update(ANSWER_TIMEOUT=settings.answer_timeout, STREAM_TIMEOUT=settings.stream_timeout)
    app.extensions["close"] = logic.close
    name_pod(app, settings)
    answer_version(app, settings)
    answer_description(app, logic)
    if isinstance(logic.answer, Blueprint):
        app.register_blueprint(logic.answer)
        refuse_reserved_paths(app, settings.logic)
        return app
    function, declared = logic.answer, logic.parameters

    @app.get("/")
    def answer() -> Any:  # noqa: ANN401  checked by the application
        query = parameters(request.query_string)
        return function(query if declared is None else checked(declared, query))

    return app


def refuse_reserved_paths(app: Flask, logic: str) -> None:
    """Raise SettingsError if a logic has a route for what each service answers itself."""
    for rule in app.url_map.iter_rules():
        path = "/" + "/".join(filter(None, rule.rule.split("/")))
        if path in RESERVED_PATHS and rule.endpoint != path[1:].partition(".")[0]:
            raise SettingsError(
                f"LOGIC={logic!r} has a route {rule.rule!r}; expected any but {', '.join(RESERVED_PATHS)}"
            )


def parameters(query: bytes) -> ImmutableMultiDict[str, str]:
    """Return a query's parameters; what is not UTF-8 becomes U+FFFD.

    Unlike Flask's `request.args`, this bounds the work before it is done.

    Raises:
        RequestURITooLarge: the query is longer than MAX_QUERY_BYTES.
        BadRequest: it has more than MAX_PARAMETERS.
    """
    if len(query) > MAX_QUERY_BYTES:
        raise RequestURITooLarge(f"query of {len(query)} bytes; allowed: {MAX_QUERY_BYTES}")
    if query.count(b"&") >= MAX_PARAMETERS:
        raise BadRequest(f"more than {MAX_PARAMETERS} parameters")
    if not query:
        return NO_PARAMETERS
    text = query.decode(errors="replace")
    return ImmutableMultiDict(parse_qsl(text, keep_blank_values=True, errors="replace"))
