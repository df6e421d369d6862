"""Query strings as requests for rows, or for numbers computed from them; errors say what is allowed."""

from typing import NamedTuple

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from backend.logic.database.compute import Computation, check_column, computations, computed_field
from backend.logic.database.filters import MAX_CONDITIONS, Condition, alternatives, condition
from backend.logic.database.tables import Field, Table
from backend.parameters import Parameter
from common.text import shortened

OPTIONS = ("or", "select", "sort", "limit", "offset", "next", "total", "compute", "group_by")
LIMIT = Parameter(
    name="limit", description="How many of the rows.", type=int, minimum=1, maximum=100, default=20
)
OFFSET = Parameter(
    name="offset", description="After how many rows.", type=int, minimum=0, maximum=1_000_000, default=0
)
TOTAL = Parameter(
    name="total", description="Also the number of all rows, unasked where known.", type=bool, default=False
)
# Most columns that sort or group an answer.
MAX_SORT, MAX_GROUPS = 8, 4
# Longest description of the conditions in an answer, in characters.
MAX_DESCRIPTION = 150


class Query(NamedTuple):
    """What a query string asks for.

    Attributes:
        conditions: of each inner list at least one holds.
        fields: the answer's columns and numbers, by name.
        grouped: the columns that group the numbers.
        computed: whether there are numbers.
        order: names of fields or columns to sort by, with a `-` for descending order.
        limit, offset: which of the rows.
        next: where the page before ended, as that answer's `next` says, or None.
        total: whether the number of rows is asked for.
        words: describes the rows.
    """

    conditions: list[list[Condition]]
    fields: dict[str, Field]
    grouped: tuple[str, ...]
    computed: tuple[Computation, ...]
    order: tuple[str, ...]
    limit: int
    offset: int
    next: str | None
    total: bool
    words: str


def parse(table: Table, args: MultiDict[str, str]) -> Query:
    """Return what a query string asks for.

    Raises:
        BadRequest: it is not allowed; says what is.
    """
    filters = parse_filters(table, args)
    if twice := [key for key in OPTIONS if key != "or" and len(args.getlist(key)) > 1]:
        raise BadRequest(f"{twice[0]} is given twice")
    words = shortened(" and ".join(described(each) for each in filters), MAX_DESCRIPTION)
    words = table.name + (f" where {words}" if words else "")
    computed = computations(table, args["compute"]) if "compute" in args else ()
    grouped: tuple[str, ...] = ()
    if computed:
        grouped = columns(table, "group_by", args["group_by"], MAX_GROUPS) if "group_by" in args else ()
        if "select" in args:
            raise BadRequest("select does not go with compute; allowed: group_by")
        numbers = ", ".join(" of ".join(filter(None, (each.function, each.column))) for each in computed)
        words = f"{numbers} of {words}"
        words += f", by {', '.join(grouped)}" if grouped else ""
        fields = {name: table.fields[name] for name in grouped}
        fields |= {each.name: computed_field(table, each) for each in computed}
    elif "group_by" in args:
        raise BadRequest("group_by needs compute")
    else:
        selected = columns(table, "select", args["select"], len(table.fields)) if "select" in args else None
        fields = {name: table.fields[name] for name in selected or table.fields}
    sortable = fields if computed else table.fields
    if "next" in args and "offset" in args:
        raise BadRequest("next does not go with offset")
    return Query(
        filters,
        fields,
        grouped,
        computed,
        sort_order(args.get("sort"), sortable, computed),
        LIMIT.value_in(args),
        OFFSET.value_in(args),
        args.get("next"),
        TOTAL.value_in(args),
        words,
    )


def parse_filters(table: Table, args: MultiDict[str, str]) -> list[list[Condition]]:
    """Return the conditions of a query string."""
    filters = [(key, text) for key, text in args.items(multi=True) if key == "or" or key not in OPTIONS]
    if len(filters) > MAX_CONDITIONS:
        raise BadRequest(f"{len(filters)} conditions; allowed: {MAX_CONDITIONS}")
    found: list[list[Condition]] = []
    for key, text in filters:
        found.append(alternatives(table, text) if key == "or" else [condition(table, key, text, OPTIONS)])
        if sum(map(len, found)) > MAX_CONDITIONS:
            raise BadRequest(f"more than {MAX_CONDITIONS} conditions")
    return found


def described(either: list[Condition]) -> str:
    """Return conditions of which one holds in words."""
    words = " or ".join(each.words for each in either)
    return f"({words})" if len(either) > 1 else words


def columns(table: Table, parameter: str, text: str, most: int) -> tuple[str, ...]:
    """Return the columns that a parameter names."""
    number = text.count(",") + 1
    if number > most:
        raise BadRequest(f"{parameter}: {number} columns; allowed: {most}")
    found = tuple(text.split(","))
    for name in found:
        check_column(table, name, parameter)
    if len(set(found)) < number:
        raise BadRequest(f"{parameter}={shortened(text)!r}: a column is given twice")
    return found


def sort_order(
    text: str | None, fields: dict[str, Field], computed: tuple[Computation, ...]
) -> tuple[str, ...]:
    """Return the fields that sort=-field,field names; a single number also by its function's name alone."""
    if text is None:
        return ()
    number = text.count(",") + 1
    if number > MAX_SORT:
        raise BadRequest(f"sort: {number} columns; allowed: {MAX_SORT}")
    short = {computed[0].function: computed[0].name} if len(computed) == 1 else {}
    found = []
    for each in text.split(","):
        sign, name = ("-", each[1:]) if each.startswith("-") else ("", each)
        name = name if name in fields else short.get(name, name)
        if name not in fields:
            allowed = shortened(", ".join(fields), 1000)
            raise BadRequest(
                f"sort: no column {shortened(name)!r}; allowed: {allowed}, each also with a - before it"
            )
        found.append(sign + name)
    return tuple(found)
