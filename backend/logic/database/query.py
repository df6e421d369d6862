"""Query strings as SQL that returns the same rows on SQLite and PostgreSQL.

The primary key (or the group) breaks ties, and NULLs come last. Values are always parameters, so
that queries that differ in nothing else share a statement: building one costs more than running it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, bindparam, func, select
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from backend.logic import shortened
from backend.logic.database.compute import aggregate, check_column, computation
from backend.logic.database.filters import condition, condition_sql
from backend.logic.database.table import PLURAL, TABLE

PRIMARY_KEY = next(iter(TABLE.primary_key))
MAX_CONDITIONS = 20
OPTIONS = ("sort", "limit", "offset", "compute", "group_by")
# Longest description of the conditions in an answer, in characters.
MAX_DESCRIPTION = 150
# Statements that are kept; the least recently used one goes first.
MAX_STATEMENTS = 100


@dataclass(frozen=True)
class Query:
    """A statement with its parameters, and what it selects in words.

    Attributes:
        statement: selects the answer's rows; see select_rows.
        parameters: the values of the statement's parameters.
        words: describes the rows.
        only: the name of the only field, if the answer is a single number.
    """

    statement: Select[Any]
    parameters: dict[str, Any]
    words: str
    only: str | None


def parse(args: MultiDict[str, str]) -> Query:
    """Return the statement for a query string.

    Raises:
        BadRequest: the query is not allowed; says what is.
    """
    filters = [(key, text) for key, text in args.items(multi=True) if key not in OPTIONS]
    if len(filters) > MAX_CONDITIONS:
        raise BadRequest(f"{len(filters)} conditions; allowed: {MAX_CONDITIONS}")
    if twice := [key for key in OPTIONS if len(args.getlist(key)) > 1]:
        raise BadRequest(f"{twice[0]} is given twice")
    conditions = [condition(key, text) for key, text in filters]
    words = shortened(" and ".join(each.words for each in conditions), MAX_DESCRIPTION)
    words = PLURAL + (f" where {words}" if words else "")

    group = args.get("group_by")
    computed = computation(args["compute"]) if "compute" in args else None
    if computed:
        words = f"{computed[0]} of {computed[1]} of {words}"
        fields = [computed[0]]
        if group is not None:
            check_column(group, "group_by")
            words += f", by {group}"
            fields = [group, *fields]
    elif group is not None:
        raise BadRequest("group_by needs compute")
    else:
        fields = TABLE.c.keys()

    order = sort_order(args.get("sort"), fields)
    parameters = {f"value_{n}": each.value for n, each in enumerate(conditions)}
    parameters["limit"] = whole_number("limit", args.get("limit", "20"), 1, 100)
    parameters["offset"] = whole_number("offset", args.get("offset", "0"), 0, 1_000_000)
    shape = tuple((each.column, each.operator) for each in conditions)
    only = computed[0] if computed and group is None else None
    return Query(select_rows(shape, computed, group, order), parameters, words, only)


@lru_cache(MAX_STATEMENTS)
def select_rows(
    conditions: tuple[tuple[str, str], ...],
    computed: tuple[str, str] | None,
    group: str | None,
    order: tuple[str, ...],
) -> Select[Any]:
    """Return a statement whose last column is the number of rows without limit and offset.

    Args:
        conditions: columns and operators; their values are the parameters value_0, value_1, …
        computed: a function and a column, for aggregates instead of rows.
        group: the column that groups the aggregates.
        order: fields to sort by, with a `-` for descending order.
    """
    where = [condition_sql(*each, f"value_{n}") for n, each in enumerate(conditions)]
    tie_break: list[ColumnElement[Any]] = []
    if computed is None:
        rows = select(TABLE)
        matching = select(PRIMARY_KEY)
        tie_break = [PRIMARY_KEY]
    elif group is None:
        rows = matching = select(aggregate(*computed))
    else:
        column = TABLE.c[group]
        rows = select(column, aggregate(*computed)).group_by(column)
        matching = select(column).distinct()
        tie_break = [column]
    total = select(func.count()).select_from(matching.where(*where).subquery()).scalar_subquery()
    fields = {each.key: each for each in rows.selected_columns}
    sort = [fields[name[1:]].desc() if name.startswith("-") else fields[name].asc() for name in order]
    rows = rows.add_columns(total).where(*where)
    rows = rows.order_by(*(each.nulls_last() for each in [*sort, *tie_break]))
    return rows.limit(bindparam("limit", type_=Integer)).offset(bindparam("offset", type_=Integer))


def whole_number(name: str, text: str, low: int, high: int) -> int:
    """Return the text as a number from low to high."""
    if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise BadRequest(f"{name}={shortened(text)!r}; allowed: a whole number from {low} to {high}")
    return int(text)


def sort_order(text: str | None, fields: list[str]) -> tuple[str, ...]:
    """Return the fields that sort=-field,field names."""
    if text is None:
        return ()
    number = text.count(",") + 1
    if number > len(fields):
        raise BadRequest(f"sort: {number} columns; allowed: {len(fields)}")
    names = tuple(text.split(","))
    for name in names:
        if name.removeprefix("-") not in fields:
            raise BadRequest(
                f"sort: no column {shortened(name)!r}; allowed: {', '.join(fields)}, "
                "each also with a - before it"
            )
    return names
