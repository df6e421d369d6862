"""The logics: how the backend computes its answers.

A logic is a function of the query, which answers `GET /`, or a Blueprint. Both return a mapping of fields, to
which backend/answers.py adds those of the contract. Errors are werkzeug's HTTPExceptions, whose descriptions
callers see. LOGIC names a logic, or a function `make` that makes one of the settings; a built-in logic is a
module here with such a function.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from flask import Blueprint
from werkzeug.datastructures import MultiDict

from backend.lookup import does_not_load, entry_point
from backend.parameters import Operation, Parameter
from backend.settings import Settings
from common.settings import SettingsError

__all__ = ["Answer", "Fields", "Logic", "import_logic"]

Fields = Mapping[str, Any]
Answer = Fields | tuple[Fields, int] | tuple[Fields, int, Any] | Iterator[Fields]


@dataclass(frozen=True)
class Logic:
    """A function or Blueprint that answers, one that tells whether it can, and one that cleans up.

    Attributes:
        answer: returns the fields of the answer to a query; or a Blueprint.
        ready: raises ServiceUnavailable while there can be no answers.
        close: called once when the worker ends.
        parameters: those of the function's query, which is checked before; without them any query is given.
        operations: returns what is known of a Blueprint's routes; the others are described without.
    """

    answer: Callable[[MultiDict[str, Any]], Answer] | Blueprint
    ready: Callable[[], object] = lambda: None
    close: Callable[[], object] = lambda: None
    parameters: Sequence[Parameter] | None = None
    operations: Callable[[], Iterable[Operation]] = tuple


def import_logic(settings: Settings) -> Logic:
    """Return the logic that LOGIC names.

    Raises:
        SettingsError: the logic cannot be imported; says why, and which logics are allowed.
    """
    module, name = entry_point(settings.logic)
    try:
        found = getattr(import_module(module), name)
        if name == "make":
            found = found(settings)
        logic = found if isinstance(found, Logic) else Logic(found)
        if not callable(logic.answer) and not isinstance(logic.answer, Blueprint):
            raise TypeError(f"{name!r} is not a function or Blueprint")  # noqa: TRY301
        if logic.parameters is not None and isinstance(logic.answer, Blueprint):
            raise TypeError("only a function has parameters; a Blueprint has operations")  # noqa: TRY301
    except SettingsError:
        raise
    except (Exception, SystemExit) as error:
        raise does_not_load(settings.logic, error) from error
    return logic
