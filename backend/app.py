"""The backend's route. The logic behind it may change; the contract stays."""

from typing import Any

from flask import Flask, request

from backend.logic import import_logic
from backend.settings import Settings
from common.web import json_app


def create_app(settings: Settings) -> Flask:
    """Return the backend as a Flask application."""
    logic = import_logic(settings)
    app = json_app("backend", settings.max_in_flight, logic.ready)

    @app.get("/")
    def answer() -> dict[str, Any]:
        fields = logic.answer(request.args)
        contract = {"status_code": 200, "message": fields["message"], "source": "backend"}
        return contract | fields | contract

    return app
