"""Say hello."""

from typing import Any

from werkzeug.datastructures import MultiDict

from backend.logic import Logic
from backend.settings import Settings


def make(_settings: Settings) -> Logic:
    return Logic(answer)


def answer(_query: MultiDict[str, str]) -> dict[str, Any]:
    return {"message": "hello world"}
