"""What is shown of an answer: its message, its fields, and its rows as tables; each of bounded size."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from common.text import shortened

# The longest texts (characters), and how much there is of everything else.
MAX_MESSAGE, MAX_TEXT, MAX_CELL, MAX_NAME = 20_000, 1000, 100, 100
MAX_FIELDS, MAX_TABLES, MAX_ROWS, MAX_COLUMNS = 30, 3, 50, 10
MAX_JSON = 20_000
# Those that the page shows in other places.
CONTRACT = ("status_code", "source", "message", "exc", "trace_id")


@dataclass(frozen=True)
class Table:
    """A list of objects.

    Attributes:
        name: the field's.
        columns: their names.
        rows: the cells of each.
        more: what is not shown, in words.
    """

    name: str
    columns: list[str]
    rows: list[list[str]]
    more: str


@dataclass(frozen=True)
class Content:
    """What is shown of an answer.

    Attributes:
        message: what it says.
        fields: names and values of all fields that are not tables.
        tables: the lists of objects.
        json: all of it as JSON, or the beginning.
        is_cut: whether it is not all.
    """

    message: str
    fields: list[tuple[str, str]]
    tables: list[Table]
    json: str
    is_cut: bool


def content_of(body: bytes, status: int) -> Content:
    """Return what is shown of the body of an answer."""
    try:
        answer = json.loads(body)
        shown, is_cut = beginning(answer, MAX_JSON, indent=2)
    except (ValueError, RecursionError):  # nested as deeply as it just got here
        text = body.decode(errors="replace")
        return Content("", [], [], text[:MAX_JSON], len(text) > MAX_JSON)
    fields: list[tuple[str, str]] = []
    tables: list[Table] = []
    for name, value in answer.items():
        if name in CONTRACT:
            continue
        if is_table(value) and len(tables) < MAX_TABLES:
            tables.append(table(name, value))
        elif len(fields) < MAX_FIELDS:
            fields.append((shortened(name, MAX_NAME), text_of(value, MAX_TEXT)))
    message = answer.get("exc" if status >= 400 else "message", "")
    return Content(text_of(message, MAX_MESSAGE), fields, tables, shown, is_cut)


def is_table(value: Any) -> bool:  # noqa: ANN401  any JSON
    """Return whether a value is a list of objects."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def table(name: str, objects: list[dict[str, Any]]) -> Table:
    """Return a list of objects as a table."""
    shown = objects[:MAX_ROWS]
    names = list(dict.fromkeys(key for each in shown for key in islice(each, MAX_COLUMNS)))[:MAX_COLUMNS]
    rows = [[text_of(each[key], MAX_CELL) if key in each else "" for key in names] for each in shown]
    width = max(len(each) for each in shown)
    more = [f"{len(shown)} of {len(objects)} rows"] if len(objects) > len(shown) else []
    more += [f"{len(names)} of {width} columns"] if width > len(names) else []
    return Table(
        shortened(name, MAX_NAME), [shortened(each, MAX_NAME) for each in names], rows, ", ".join(more)
    )


def text_of(value: Any, limit: int) -> str:  # noqa: ANN401  any JSON
    """Return a value as text: what is no text as JSON."""
    if isinstance(value, str):
        return shortened(value, limit)
    try:
        text, is_cut = beginning(value, limit)
    except RecursionError:
        return "…"
    return f"{text}…" if is_cut else text


def beginning(value: Any, limit: int, indent: int | None = None) -> tuple[str, bool]:  # noqa: ANN401  any JSON
    """Return a value as JSON of at most `limit` characters, and whether that is not all.

    It is not encoded any further than that: indented, nested lists can be a thousand times as long.
    """
    text = ""
    pieces: Iterator[str] = json.JSONEncoder(ensure_ascii=False, indent=indent).iterencode(value)
    for piece in pieces:
        text += piece[: limit + 1]
        if len(text) > limit:
            return text[:limit], True
    return text, False
