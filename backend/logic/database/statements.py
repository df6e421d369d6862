"""Queries as SQL that returns the same rows from each database.

NULLs come last, and the key breaks ties. Values are always parameters, so that queries that differ in
nothing else share a statement: building one costs more than running it.
"""

from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, Select, bindparam, false, func, literal_column, or_, select

from backend.logic.database.compute import Computation, computed_field
from backend.logic.database.filters import OPERATORS
from backend.logic.database.query import Query
from backend.logic.database.tables import Field, Table

# Statements that are kept; the least recently used one goes first.
MAX_STATEMENTS = 100


class Shape(NamedTuple):
    """What queries that share a statement have in common.

    Attributes:
        conditions: column, operator and, for `isnull`, value.
        fields: the columns that are selected, if nothing is computed.
        after: for each column of the order whether the page before ended with a NULL there; None for no page.
        inclusive: whether the page may begin with a row that sorts like that last one.
    """

    conditions: tuple[tuple[tuple[str, str, bool], ...], ...]
    fields: tuple[str, ...]
    grouped: tuple[str, ...]
    computed: tuple[Computation, ...]
    order: tuple[str, ...]
    after: tuple[bool, ...] | None = None
    inclusive: bool = False


def shape_of(query: Query) -> tuple[Shape, dict[str, Any]]:
    """Return a query's shape, and the parameters of its conditions."""
    parameters, conditions = {}, []
    for n, either in enumerate(query.conditions):
        for m, each in enumerate(either):
            if each.operator != "isnull":
                parameters[f"value_{n}_{m}"] = each.value
        conditions.append(
            tuple((each.column, each.operator, each.operator == "isnull" and each.value) for each in either)
        )
    fields = () if query.computed else tuple(query.fields)
    return Shape(tuple(conditions), fields, query.grouped, query.computed, query.order), parameters


def full_order(table: Table, shape: Shape) -> tuple[str, ...]:
    """Return the fields that put the rows into one order; without a key these are all columns."""
    ties = shape.grouped if shape.computed else table.key or tuple(table.fields)
    named = {name.removeprefix("-") for name in shape.order}
    return (*shape.order, *(name for name in ties if name not in named))


def fields_of(table: Table, shape: Shape) -> dict[str, Field]:
    """Return all fields that may be selected or sorted by."""
    if not shape.computed:
        return table.fields
    fields = {name: table.fields[name] for name in shape.grouped}
    return fields | {each.name: computed_field(table, each) for each in shape.computed}


def conditions_sql(table: Table, shape: Shape) -> list[ColumnElement[bool]]:
    """Return the conditions in SQL; their values are the parameters value_0_0 and so on."""
    found = []
    for n, either in enumerate(shape.conditions):
        alternatives = []
        for m, (column, operator, value) in enumerate(either):
            field = table.fields[column]
            parameter = field.parameter(f"value_{n}_{m}", several=operator == "in")
            alternatives.append(OPERATORS[operator][1](field, value if operator == "isnull" else parameter))
        found.append(or_(*alternatives))
    return found


@lru_cache(MAX_STATEMENTS)
def select_row(table: Table) -> Select[Any]:
    """Return a statement for the row whose key has the parameters key_0, key_1, … as its values."""
    fields = [table.fields[column] for column in table.key]
    conditions = [field.value == field.parameter(f"key_{n}") for n, field in enumerate(fields)]
    shown = [field.shown.label(f"shown_{n}") for n, field in enumerate(table.fields.values())]
    return select(*shown).select_from(table.sql).where(*conditions)


@lru_cache(MAX_STATEMENTS)
def select_page(table: Table, shape: Shape) -> Select[Any]:
    """Return a statement for the rows of a page: the fields, then what they are sorted by."""
    fields = fields_of(table, shape)
    order = full_order(table, shape)
    shown = shape.fields or tuple(fields)
    sorting = [(fields[name.removeprefix("-")], name.startswith("-")) for name in order]
    rows: Select[Any] = select(
        *(fields[name].shown.label(f"shown_{n}") for n, name in enumerate(shown)),
        *(field.shown.label(f"order_{n}") for n, (field, _) in enumerate(sorting)),
    )
    rows = rows.select_from(table.sql).where(*conditions_sql(table, shape))
    if shape.grouped:
        rows = rows.group_by(*(fields[name].value for name in shape.grouped))
    if shape.after is not None:
        after = after_sql(sorting, shape.after, inclusive=shape.inclusive)
        rows = rows.having(after) if shape.computed else rows.where(after)
    rows = rows.order_by(*(ordering(field, descending=descending) for field, descending in sorting))
    return rows.limit(bindparam("limit", type_=Integer)).offset(bindparam("offset", type_=Integer))


@lru_cache(MAX_STATEMENTS)
def select_total(table: Table, shape: Shape) -> Select[Any]:
    """Return a statement for the number of rows without limit and offset."""
    rows: Select[Any] = select(literal_column("1").label("one")).select_from(table.sql)
    rows = rows.where(*conditions_sql(table, shape))
    if shape.grouped:
        rows = rows.group_by(*(table.fields[name].value for name in shape.grouped))
    return select(func.count()).select_from(rows.subquery())


def ordering(field: Field, *, descending: bool) -> ColumnElement[Any]:
    """Return a field of an ORDER BY; an index is of use only if it says nothing about NULLs without need."""
    order = field.order.desc() if descending else field.order.asc()
    return order.nulls_last() if field.nullable else order


def after_sql(
    sorting: list[tuple[Field, bool]], ended_with_null: tuple[bool, ...], *, inclusive: bool
) -> ColumnElement[bool]:
    """Return the condition on rows that come after the parameters after_0, after_1, … in an order."""
    condition: ColumnElement[bool] | None = None
    numbered = list(enumerate(zip(sorting, ended_with_null, strict=True)))
    for n, ((field, descending), was_null) in reversed(numbered):
        last = field.parameter(f"after_{n}")
        equal = field.order.is_(None) if was_null else field.order == last
        later: ColumnElement[bool] | None = None  # nothing comes after NULL
        if not was_null:
            later = field.order < last if descending else field.order > last
            later = or_(later, field.order.is_(None)) if field.nullable else later
        if condition is not None:
            equal = equal & condition
        elif not inclusive:
            equal = false()
        condition = equal if later is None else or_(later, equal)
    return false() if condition is None else condition
