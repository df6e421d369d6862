"""Conditions on the table's columns: `column=value` and `column__operator=value`."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, bindparam, func
from werkzeug.exceptions import BadRequest

from backend.logic import shortened
from backend.logic.database.table import TABLE

COLUMNS = ", ".join(TABLE.c.keys())
MAX_VALUES = 100

# Operator: in words, in SQL.
OPERATORS: dict[str, tuple[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]]] = {
    "": ("is", lambda column, value: column == value),
    "ne": ("is not", lambda column, value: column != value),
    "lt": ("is less than", lambda column, value: column < value),
    "lte": ("is at most", lambda column, value: column <= value),
    "gt": ("is greater than", lambda column, value: column > value),
    "gte": ("is at least", lambda column, value: column >= value),
    "in": ("is one of", lambda column, values: column.in_(values)),
    # Not LIKE: it has wildcards, and ignores case in SQLite but not in PostgreSQL.
    "contains": ("contains", lambda column, value: func.replace(column, value, "") != column),
}


class Condition(NamedTuple):
    """A condition on a column; it never holds for NULL.

    Attributes:
        column: the column's name.
        operator: a key of OPERATORS.
        value: a value of the column's type, or a list of them for `in`.
        words: the condition in words.
    """

    column: str
    operator: str
    value: Any
    words: str


def condition(key: str, text: str) -> Condition:
    """Return the condition that a parameter of the query states.

    Raises:
        BadRequest: it names no column or operator, or its value is not allowed.
    """
    name, underscores, operator = key.partition("__")
    if name not in TABLE.c or operator not in OPERATORS or (underscores and not operator):
        raise BadRequest(
            f"unknown {shortened(key)!r}; allowed: {COLUMNS}, each also with "
            f"{', '.join(f'__{each}' for each in OPERATORS if each)}; "
            "and sort, limit, offset, compute, group_by"
        )
    column = TABLE.c[name]
    words = f"{name} {OPERATORS[operator][0]}"
    if operator == "contains" and (column.type.python_type is not str or not text):
        raise BadRequest(f"{key}: expected a text column and at least one character")
    if operator != "in":
        return Condition(name, operator, value(column, key, text), f"{words} {text}")
    number = text.count(",") + 1
    if number > MAX_VALUES:
        raise BadRequest(f"{key}: {number} values; allowed: {MAX_VALUES}")
    values = [value(column, key, each) for each in text.split(",")]
    return Condition(name, operator, values, f"{words} {', '.join(map(str, values))}")


def condition_sql(name: str, operator: str, parameter: str) -> ColumnElement[bool]:
    """Return a condition on the column in SQL; its value is the statement's parameter of that name."""
    column = TABLE.c[name]
    bound = bindparam(parameter, type_=column.type, expanding=operator == "in")
    return OPERATORS[operator][1](column, bound)


# Type: the pattern of its values, in words. Both databases store such numbers exactly.
TYPES = {
    str: (re.compile(r"[^\0]*"), "text"),
    int: (re.compile(r"-?[0-9]{1,18}"), "a whole number"),
    float: (re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?"), "a number such as -12.5"),
}


def value(column: Column[Any], key: str, text: str) -> str | int | float:
    """Return the text as a value of the column's type."""
    kind = column.type.python_type
    pattern, words = TYPES[kind]
    if not pattern.fullmatch(text):
        raise BadRequest(f"{key}={shortened(text)!r}; allowed: {words}")
    converted: str | int | float = kind(text)
    return converted
