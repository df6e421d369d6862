"""The backend's route. The logic behind it may change; the contract stays."""

from typing import Any

from flask import Flask

from backend.settings import Settings
from common.web import json_app


def create_app(settings: Settings) -> Flask:
    """Make the backend."""
    app = json_app("backend", settings.max_in_flight)

    @app.get("/")
    def answer() -> dict[str, Any]:
        return {"status_code": 200, "message": "hello world", "source": "backend"}

    return app
