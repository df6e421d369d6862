"""From a query string to SQL that gives the same rows on SQLite and PostgreSQL.

Values are always bound. The primary key (or the group) breaks ties, and NULLs come last.
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from backend.logic.database.compute import column, computation
from backend.logic.database.filters import condition
from backend.logic.database.table import PLURAL, TABLE

KEY = next(iter(TABLE.primary_key))
MOST_FILTERS = 20


@dataclass(frozen=True)
class Query:
    """Two statements and their meaning in words.

    Attributes:
        rows: selects the answer's rows.
        total: counts them, without limit and offset.
        words: what the rows are.
        only: the row's only field, where there is just one row with one number.
    """

    rows: Select[Any]
    total: Select[int]
    words: str
    only: str | None = None


def parse(args: MultiDict[str, str]) -> Query:
    """Understand a query string.

    Raises:
        BadRequest: it is not one; says what is allowed.
    """
    given = {}
    filters = []
    for key, text in args.items(multi=True):
        if key in ("sort", "limit", "offset", "compute", "group_by"):
            if key in given:
                raise BadRequest(f"{key} is given twice")
            given[key] = text
        else:
            filters.append(condition(key, text))
    if len(filters) > MOST_FILTERS:
        raise BadRequest(f"{len(filters)} conditions; allowed: {MOST_FILTERS}")
    if "group_by" in given and "compute" not in given:
        raise BadRequest("group_by needs compute")

    words = " where " + " and ".join(said for _, said in filters) if filters else ""
    tie_break: list[ColumnElement[Any]]
    only = None
    if "compute" in given:
        computed, said = computation(given["compute"])
        words = f"{said} of {PLURAL}{words}"
        if "group_by" in given:
            group = column(given["group_by"], "group_by")
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
        tie_break = [KEY]
    rows = rows.where(*(sql for sql, _ in filters))
    total = select(func.count()).select_from(rows.subquery())
    rows = rows.order_by(*(each.nulls_last() for each in [*order(given.get("sort"), rows), *tie_break]))
    rows = rows.limit(whole("limit", given.get("limit", "20"), 1, 100))
    rows = rows.offset(whole("offset", given.get("offset", "0"), 0, 1_000_000))
    return Query(rows, total, words, only)


def whole(name: str, text: str, low: int, high: int) -> int:
    """A whole number from low to high."""
    if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise BadRequest(f"{name}={text[:100]!r}; allowed: a whole number from {low} to {high}")
    return int(text)


def order(text: str | None, rows: Select[Any]) -> list[ColumnElement[Any]]:
    """What sort=-column,column asks for, among the columns that the rows have."""
    columns = {each.key: each for each in rows.selected_columns}
    asked = text.split(",") if text is not None else []
    for name in asked:
        if name.removeprefix("-") not in columns:
            raise BadRequest(
                f"sort: no column {name[:100]!r}; allowed: {', '.join(map(str, columns))}, "
                "each also with a - before it"
            )
    if len(asked) > len(columns):
        raise BadRequest(f"sort: {len(asked)} columns; allowed: {len(columns)}")
    return [columns[n[1:]].desc() if n.startswith("-") else columns[n].asc() for n in asked]
