"""What runs here: `/version`."""

import platform
from datetime import UTC, datetime
from typing import Any

from flask import Flask

from common.settings import ServiceSettings
from common.web import ContractResponse, contract_response

# The same as in pyproject.toml, which is not in the images.
VERSION = "0.1.0"


def answer_version(app: Flask, settings: ServiceSettings) -> None:
    """Answer /version: what was built of which commit, what it runs on, and since when."""
    fields: dict[str, Any] = {
        "status_code": 200,
        "message": f"{app.name} {VERSION}",
        "source": app.name,
        "version": VERSION,
        "commit": settings.git_commit,
        "python": platform.python_version(),
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    if hasattr(settings, "logic"):
        fields["logic"] = settings.logic

    @app.get("/version")
    def version() -> ContractResponse:
        return contract_response(app, fields, 200)
