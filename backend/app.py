"""The backend's route. The logic behind it may change; the contract stays."""

from typing import Any
from urllib.parse import parse_qsl

from flask import Flask, request
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import BadRequest, RequestURITooLarge

from backend.logic import import_logic
from backend.settings import Settings
from common.contract import MAX_QUERY_BYTES
from common.web import json_app

MAX_PARAMETERS = 1000


def create_app(settings: Settings) -> Flask:
    """Return the backend as a Flask application."""
    logic = import_logic(settings)
    app = json_app("backend", settings.max_in_flight, logic.ready)

    @app.get("/")
    def answer() -> dict[str, Any]:
        fields = logic.answer(parameters(request.query_string))
        contract = {"status_code": 200, "message": fields["message"], "source": "backend"}
        return contract | fields | contract

    return app


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
    text = query.decode(errors="replace")
    return ImmutableMultiDict(parse_qsl(text, keep_blank_values=True, errors="replace"))
