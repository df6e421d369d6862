"""Conditions on a table's columns: `column=value`, `column__operator=value` and `or=(…,…)`."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func
from werkzeug.exceptions import BadRequest

from backend.logic.database.kinds import TEXTS
from backend.logic.database.tables import Field, Table
from common.text import shortened

MAX_CONDITIONS, MAX_VALUES = 20, 100
# Longest list of a table's columns in an error, in characters.
MAX_NAMES = 1000

# Operator: in words, in SQL. None of them holds for NULL but `isnull`.
OPERATORS: dict[str, tuple[str, Callable[[Field, Any], ColumnElement[bool]]]] = {
    "eq": ("is", lambda field, value: field.value == value),
    "ne": ("is not", lambda field, value: field.value != value),
    "lt": ("is less than", lambda field, value: field.order < value),
    "lte": ("is at most", lambda field, value: field.order <= value),
    "gt": ("is greater than", lambda field, value: field.order > value),
    "gte": ("is at least", lambda field, value: field.order >= value),
    "in": ("is one of", lambda field, values: field.value.in_(values)),
    # Not LIKE: it has wildcards, and ignores case in SQLite but not in PostgreSQL.
    "contains": ("contains", lambda field, value: func.replace(field.value, value, "") != field.value),
    "isnull": ("is", lambda field, value: field.value.is_(None) if value else field.value.is_not(None)),
}


class Condition(NamedTuple):
    """A condition on a column.

    Attributes:
        column: the column's name.
        operator: a key of OPERATORS.
        value: a value of the column's kind; a list of them for `in`; whether it is NULL for `isnull`.
        words: the condition in words.
    """

    column: str
    operator: str
    value: Any
    words: str


def column_and_operator(table: Table, key: str, options: tuple[str, ...]) -> tuple[str, str]:
    """Return the column and the operator that a parameter's name states; a column's own name comes first."""
    if key in table.fields:
        return key, "eq"
    name, _, operator = key.rpartition("__")
    if name in table.fields and operator in OPERATORS:
        return name, operator
    raise BadRequest(
        f"unknown {shortened(key)!r}; allowed: {names(table)}, each also with "
        f"{', '.join(f'__{each}' for each in OPERATORS)}; and {', '.join(options)}"
    )


def names(table: Table) -> str:
    """Return the names of the table's columns."""
    return shortened(", ".join(table.fields), MAX_NAMES)


def condition(table: Table, key: str, text: str, options: tuple[str, ...] = ()) -> Condition:
    """Return the condition that a parameter of the query states.

    Raises:
        BadRequest: it names no column or operator, or its value is not allowed.
    """
    name, operator = column_and_operator(table, key, options)
    field = table.fields[name]
    words = f"{name} {OPERATORS[operator][0]}"
    if operator == "isnull":
        if text not in ("true", "false"):
            raise BadRequest(f"{key}={shortened(text)!r}; allowed: true or false")
        return Condition(
            name, operator, text == "true", f"{words} {'NULL' if text == 'true' else 'not NULL'}"
        )
    if operator == "contains" and (field.kind not in TEXTS or not text):
        raise BadRequest(f"{key}: expected a text column and at least one character")
    if operator != "in":
        return Condition(name, operator, value(field, key, text), f"{words} {text}")
    number = text.count(",") + 1
    if number > MAX_VALUES:
        raise BadRequest(f"{key}: {number} values; allowed: {MAX_VALUES}")
    values = [value(field, key, each) for each in text.split(",")]
    return Condition(name, operator, values, f"{words} {', '.join(map(str, values))}")


def value(field: Field, key: str, text: str) -> Any:  # noqa: ANN401  of any kind
    """Return the text as a value of the column's kind."""
    try:
        return field.kind.parse(text)
    except ValueError:
        raise BadRequest(f"{key}={shortened(text)!r}; allowed: {field.kind.allowed}") from None


def alternatives(table: Table, text: str) -> list[Condition]:
    r"""Return the conditions of `or=(a=1,b__gt=2)`; in a value, `\,` is a comma and `\\` a backslash."""
    if not (text.startswith("(") and text.endswith(")")):
        raise BadRequest(f"or={shortened(text)!r}; allowed: (column=value,column__operator=value)")
    found: list[Condition] = []
    for part in re.finditer(r"(?:^|,)((?:[^,\\]|\\.?)*)", text[1:-1], re.DOTALL):
        key, equals, escaped = part[1].partition("=")
        if not equals:
            raise BadRequest(f"or: {shortened(part[1])!r} is no condition; allowed: column=value")
        if len(found) == MAX_CONDITIONS:
            raise BadRequest(f"or: more than {MAX_CONDITIONS} conditions")
        found.append(condition(table, key, re.sub(r"\\(.)", r"\1", escaped, flags=re.DOTALL)))
    return found
