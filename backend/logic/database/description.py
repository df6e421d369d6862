"""The description of the tables: their paths, and the query that each of them takes."""

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from backend.logic.database.compute import FUNCTIONS, MAX_COMPUTATIONS
from backend.logic.database.filters import MAX_VALUES, OPERATORS
from backend.logic.database.kinds import NUMBERS, SCHEMAS, TEXTS
from backend.logic.database.query import LIMIT, MAX_GROUPS, MAX_SORT, OFFSET, OPTIONS, TOTAL
from backend.logic.database.tables import Field, Table
from backend.parameters import Operation, Parameter
from common.openapi import FREE_QUERY

# Of all tables that are described by themselves; a kilobyte each, and the client reads a megabyte.
MAX_COLUMNS = 400

OR = Parameter(
    name="or",
    description=r"Conditions of which one holds: `(column=value,column__op=value)`. "
    r"In a value, `\,` is a comma and `\\` a backslash.",
)
NEXT = Parameter(name="next", description="The page after the one whose answer had this `next`.")
CONDITIONS = FREE_QUERY | {
    "name": "conditions",
    "description": f"`column=value` or `column__op=value`; op is {', '.join(OPERATORS)}.",
}
TABLES = {"type": "object", "required": ["tables"], "properties": {"tables": {"type": "array"}}}
ROW = {"type": "object", "required": ["row"], "properties": {"row": {"type": "object"}}}
ROWS = {
    "type": "object",
    "required": ["rows"],
    "properties": {
        "rows": {"type": "array", "items": {"type": "object"}},
        "total": {"type": "integer", "description": "Number of all rows, if it is known or asked for."},
        "next": {"type": "string", "description": "Where the next page begins, if there is one."},
    },
}
UNCHANGED = {"304": {"description": "The caller has this answer already, as `If-None-Match` says."}}
WITHOUT_COMMA = r"^[^\u0000,]*$"
MEANINGS = {
    "select": "Which columns.",
    "sort": "The order; with a `-` before a column, the reverse.",
    "compute": "Numbers instead of rows.",
    "group_by": "Such numbers for each value of the columns.",
}

Responses = dict[str, Any]


def operations(tables: Iterable[Table], *, versions: bool) -> Iterator[Operation]:
    """Return what the routes take and answer.

    Args:
        tables: all tables; those beyond MAX_COLUMNS are described together.
        versions: whether answers have an ETag.
    """
    others = UNCHANGED if versions else {}
    columns = 0
    shown: list[Table] = []
    rest: list[Table] = []
    for table in tables:
        columns += len(table.fields)
        (shown if columns <= MAX_COLUMNS else rest).append(table)
    yield Operation(rule="/", summary="The tables.", answer=TABLES, others=others)
    for table in shown:
        yield rows_of(table, others)
        if table.key:
            yield row_of(table, others)
    if rest:
        parameters: list[Parameter | dict[str, Any]] = [
            CONDITIONS,
            OR,
            LIMIT,
            OFFSET,
            NEXT,
            TOTAL,
            *map(text, MEANINGS),
        ]
        yield Operation(
            rule="/<table>", summary="Rows of a table.", parameters=parameters, answer=ROWS, others=others
        )
    if rest or not any(table.key for table in shown):
        yield Operation(rule="/<table>/<path:key>", summary="A row of a table.", answer=ROW, others=others)


def rows_of(table: Table, others: Responses) -> Operation:
    """Return what the path of a table takes and answers."""
    columns = [name for name in table.fields if "," not in name]
    parameters: list[Parameter | dict[str, Any]] = []
    for field in table.fields.values():
        parameters += conditions(field)
    parameters += [
        OR,
        several("select", columns, len(table.fields)),
        several("sort", [*columns, *(f"-{name}" for name in columns)], MAX_SORT, once=False),
        *(LIMIT, OFFSET, NEXT, TOTAL),
        several("compute", computations(table, columns), MAX_COMPUTATIONS),
        several("group_by", columns, MAX_GROUPS),
    ]
    return Operation(
        rule="/<table>",
        path=f"/{quote(table.name, safe='')}",
        summary=f"Rows of {table.name}, or numbers computed from them.",
        parameters=parameters,
        answer=ROWS,
        others=others,
    )


def row_of(table: Table, others: Responses) -> Operation:
    """Return what the path of a table's rows takes and answers."""
    names = [
        name if re.fullmatch(r"\w+", name, re.ASCII) else f"key{n}" for n, name in enumerate(table.key, 1)
    ]
    fields = [table.fields[column] for column in table.key]
    return Operation(
        rule="/<table>/<path:key>",
        path=f"/{quote(table.name, safe='')}/{','.join(f'{{{name}}}' for name in names)}",
        summary=f"A row of {table.name}.",
        parameters=[
            {"name": name, "in": "path", "required": True, "schema": {"minLength": 1} | schema(field)}
            for name, field in zip(names, fields, strict=True)
        ],
        answer=ROW,
        others=others,
    )


def conditions(field: Field) -> Iterator[dict[str, Any]]:
    """Return the parameters that are conditions on a column."""
    of_column = schema(field)
    if field.name not in OPTIONS:
        yield parameter(field.name, of_column, f"{field.name} is {field.kind.allowed}.")
    for operator in OPERATORS:
        name = f"{field.name}__{operator}"
        if operator == "isnull":
            yield parameter(name, {"type": "boolean"})
        elif operator == "in":
            items = of_column | ({"pattern": WITHOUT_COMMA} if field.kind in TEXTS else {})
            yield parameter(name, {"type": "array", "items": items, "minItems": 1, "maxItems": MAX_VALUES})
        elif operator != "contains":
            yield parameter(name, of_column)
        elif field.kind in TEXTS:
            yield parameter(name, of_column | {"minLength": 1})


def computations(table: Table, columns: list[str]) -> list[str]:
    """Return what `compute` may name."""
    numbers = [name for name in columns if table.fields[name].kind in NUMBERS]
    of = {function: numbers if function in ("sum", "mean") else columns for function in FUNCTIONS}
    return ["count", *(f"{function}:{name}" for function, names in of.items() for name in names)]


def several(name: str, values: list[str], most: int, *, once: bool = True) -> dict[str, Any]:
    """Return a parameter of one or more of these values, with commas between them."""
    items = {"type": "string", "enum": values}
    array = {"type": "array", "items": items, "minItems": 1, "maxItems": most, "uniqueItems": once}
    return parameter(name, array, MEANINGS[name])


def text(name: str) -> dict[str, Any]:
    """Return a parameter of one or more values that depend on the table."""
    return parameter(name, {"type": "string"}, MEANINGS[name])


def parameter(name: str, schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    """Return a parameter; one of several values has commas between them."""
    found: dict[str, Any] = {"name": name, "in": "query", "schema": schema}
    if description:
        found["description"] = description
    return found | {"explode": False} if schema.get("type") == "array" else found


def schema(field: Field) -> dict[str, Any]:
    """Return what a value of a column is, as a JSON Schema."""
    return SCHEMAS[field.kind]
