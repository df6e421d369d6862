"""The logics: how the backend computes its answer.

A logic is a function that takes the query and returns the answer's `message` and any fields of its own.
Its errors are werkzeug's HTTPExceptions, whose descriptions the caller sees. A built-in logic is a module
here with `make(settings)`; any other is named in LOGIC.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from werkzeug.datastructures import MultiDict

from backend.settings import LOGICS, Settings, allowed_logics
from common.settings import SettingsError


@dataclass(frozen=True)
class Logic:
    """A function that answers queries, and one that tells whether it can.

    Attributes:
        answer: returns the fields of the answer to a query.
        ready: raises ServiceUnavailable while there can be no answers.
    """

    answer: Callable[[MultiDict[str, str]], dict[str, Any]]
    ready: Callable[[], object] = lambda: None


def shortened(text: str, length: int = 100) -> str:
    """Return the text, or its beginning and `…` if it is longer than `length`: answers echo no long query."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def import_logic(settings: Settings) -> Logic:
    """Return the logic that LOGIC names.

    Raises:
        SettingsError: the logic cannot be imported; says why, and which logics are allowed.
    """
    module, _, function = settings.logic.partition(":")
    try:
        if settings.logic in LOGICS:
            logic: Logic = import_module(f"backend.logic.{module}").make(settings)
            return logic
        answer = getattr(import_module(module), function)
        if not callable(answer):
            raise TypeError(f"{function!r} is not a function")  # noqa: TRY301
    except Exception as error:
        raise SettingsError(
            f"LOGIC={settings.logic!r} does not load: {type(error).__name__}: {error}; "
            f"expected {allowed_logics()}"
        ) from error
    return Logic(answer)
