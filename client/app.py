"""The client's route: whatever the backend answers, under the client's name."""

from typing import Any

from flask import Flask, request
from werkzeug.http import HTTP_STATUS_CODES

from client.settings import Settings
from client.upstream import Upstream
from common.web import json_app


def create_app(settings: Settings) -> Flask:
    """Return the client as a Flask application."""
    app = json_app("client", settings.max_in_flight)
    upstream = Upstream(settings)

    @app.get("/")
    def answer() -> tuple[dict[str, Any], int, dict[str, str]]:
        theirs = upstream.get(request.query_string)
        ours = theirs.content | {"status_code": theirs.status, "source": "client"}
        if theirs.status >= 400:
            ours.setdefault("exc", HTTP_STATUS_CODES.get(theirs.status, "error"))
        headers = {"Retry-After": theirs.retry_after} if theirs.retry_after else {}
        return ours, theirs.status, headers

    return app
