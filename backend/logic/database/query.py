"""Query strings as SQL that returns the same rows on SQLite and PostgreSQL.

Values are always bound. The primary key (or the group) breaks ties, and NULLs come last.
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from backend.logic import shortened
from backend.logic.database.compute import computation, named_column
from backend.logic.database.filters import condition
from backend.logic.database.table import PLURAL, TABLE

PRIMARY_KEY = next(iter(TABLE.primary_key))
MAX_CONDITIONS = 20
# Longest description of the conditions in an answer, in characters.
MAX_WORDS = 150
OPTIONS = ("sort", "limit", "offset", "compute", "group_by")


@dataclass(frozen=True)
class Query:
    """Two statements and what they select, in words.

    Attributes:
        rows: selects the answer's rows.
        total: counts the rows that there are without limit and offset.
        words: describes the rows.
        only: the name of the only field, if the answer is a single number.
    """

    rows: Select[Any]
    total: Select[int]
    words: str
    only: str | None = None


def parse(args: MultiDict[str, str]) -> Query:
    """Return the statements for a query string.

    Raises:
        BadRequest: the query is not allowed; says what is.
    """
    filters = [(key, text) for key, text in args.items(multi=True) if key not in OPTIONS]
    if len(filters) > MAX_CONDITIONS:
        raise BadRequest(f"{len(filters)} conditions; allowed: {MAX_CONDITIONS}")
    if twice := [key for key in OPTIONS if len(args.getlist(key)) > 1]:
        raise BadRequest(f"{twice[0]} is given twice")
    given = {key: args[key] for key in OPTIONS if key in args}
    conditions = [condition(key, text) for key, text in filters]
    if "group_by" in given and "compute" not in given:
        raise BadRequest("group_by needs compute")

    words = shortened(" and ".join(words for _, words in conditions), MAX_WORDS)
    words = f" where {words}" if words else ""
    tie_break: list[ColumnElement[Any]]
    only = None
    if "compute" in given:
        computed, function = computation(given["compute"])
        words = f"{function} of {PLURAL}{words}"
        if "group_by" in given:
            group = named_column(given["group_by"], "group_by")
            rows = select(group, computed).group_by(group)
            words += f", by {group.name}"
            tie_break = [group]
        else:
            rows = select(computed)
            only = computed.key
            tie_break = []
    else:
        rows = select(TABLE)
        words = PLURAL + words
        tie_break = [PRIMARY_KEY]
    rows = rows.where(*(sql for sql, _ in conditions))
    total = select(func.count()).select_from(rows.subquery())
    rows = rows.order_by(*(each.nulls_last() for each in [*sort_order(given.get("sort"), rows), *tie_break]))
    rows = rows.limit(whole_number("limit", given.get("limit", "20"), 1, 100))
    rows = rows.offset(whole_number("offset", given.get("offset", "0"), 0, 1_000_000))
    return Query(rows, total, words, only)


def whole_number(name: str, text: str, low: int, high: int) -> int:
    """Return the text as a number from low to high."""
    if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise BadRequest(f"{name}={shortened(text)!r}; allowed: a whole number from {low} to {high}")
    return int(text)


def sort_order(text: str | None, rows: Select[Any]) -> list[ColumnElement[Any]]:
    """Return the order that sort=-column,column names; the columns are those that the rows have."""
    columns = {each.key: each for each in rows.selected_columns}
    number = text.count(",") + 1 if text is not None else 0
    if number > len(columns):
        raise BadRequest(f"sort: {number} columns; allowed: {len(columns)}")
    names = text.split(",") if text is not None else []
    for name in names:
        if name.removeprefix("-") not in columns:
            raise BadRequest(
                f"sort: no column {shortened(name)!r}; allowed: {', '.join(map(str, columns))}, "
                "each also with a - before it"
            )
    return [columns[n[1:]].desc() if n.startswith("-") else columns[n].asc() for n in names]
