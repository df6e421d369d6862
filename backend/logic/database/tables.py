"""Tables, and the SQL by which all databases read, compare and sort the same values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    DATE,
    TIMESTAMP,
    UUID,
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Double,
    Numeric,
    TableClause,
    Text,
    TypeDecorator,
    bindparam,
    cast,
    collate,
    column,
    table,
)
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import TypeEngine

from backend.logic.database import kinds
from backend.logic.database.kinds import Kind
from backend.logic.database.limits import MAX_COLUMNS, misconfigured
from common.contract import RESERVED_PATHS

# Kinds whose values are the database driver's own; those of all others go both ways as text.
NATIVE: dict[Kind, TypeEngine[Any]] = {
    kinds.BOOLEAN: Boolean(),
    kinds.INTEGER: BigInteger(),
    kinds.REAL: Double(),
    kinds.TEXT: Text(),
    kinds.OTHER: Text(),
}
CONVERTED: dict[Kind, TypeEngine[Any]] = {
    kinds.DATE: DATE(),
    kinds.TIMESTAMP: TIMESTAMP(),
    kinds.TIMESTAMP_UTC: TIMESTAMP(timezone=True),
    kinds.UUID_TEXT: UUID(),
}


class FromText(TypeDecorator[str]):
    """A parameter that is sent as text and converted by the database."""

    impl = Text
    cache_ok = True

    def __init__(self, target: TypeEngine[Any]) -> None:
        super().__init__()
        self.target = target

    def bind_expression(self, bindvalue: BindParameter[str]) -> ColumnElement[Any]:
        """Return the parameter in SQL."""
        return cast(bindvalue, self.target)


class Field(NamedTuple):
    """A column of a table, or a number computed from one.

    Attributes:
        name: its name in queries and answers.
        kind: what its values are.
        value: in SQL, as it is compared and grouped.
        shown: in SQL, as it is selected.
        order: in SQL, as it is sorted: texts by code point, in every database.
        type: the type of a parameter that it is compared with.
        nullable: whether it may be NULL.
    """

    name: str
    kind: Kind
    value: ColumnElement[Any]
    shown: ColumnElement[Any]
    order: ColumnElement[Any]
    type: TypeEngine[Any]
    nullable: bool

    def parameter(self, name: str, *, several: bool = False) -> BindParameter[Any]:
        """Return a statement's parameter that this is compared with."""
        return bindparam(name, type_=self.type, expanding=several)


@dataclass(frozen=True, eq=False)
class Table:
    """A table or view.

    Attributes:
        name: its name in the path.
        sql: what statements select from.
        fields: its columns, by name.
        key: the names of the columns whose values tell its rows apart; empty if none are known to.
    """

    name: str
    sql: TableClause
    fields: dict[str, Field]
    key: tuple[str, ...]


class Described(NamedTuple):
    """A column as the database describes it: its name, its type in SQL, and whether it may be NULL."""

    name: str
    type: str
    nullable: bool


class DescribedTable(NamedTuple):
    """A table or view as the database describes it, with the names of its key's columns."""

    schema: str
    name: str
    columns: list[Described]
    key: Iterable[str]


def make_table(described: DescribedTable, dialect: str, default_schema: str) -> Table:
    """Return a table; only one in the default schema is called by its name alone in the path.

    Raises:
        ServiceUnavailable: it has more than MAX_COLUMNS.
    """
    schema, name, columns, key = described
    if len(columns) > MAX_COLUMNS:
        raise misconfigured(f"{schema}.{name} has {len(columns)} columns; allowed: {MAX_COLUMNS}")
    plain = schema == default_schema and f"/{name}" not in RESERVED_PATHS
    # In quotes, since each database has reserved words of its own.
    sql = table(
        quoted_name(name, quote=True),
        *(column(quoted_name(each.name, quote=True)) for each in columns),
        schema=quoted_name(schema, quote=True),
    )
    fields = {each.name: make_field(sql.c[each.name], each, dialect) for each in columns}
    return Table(name if plain else f"{schema}.{name}", sql, fields, tuple(key))


def make_field(sql: ColumnElement[Any], described: Described, dialect: str) -> Field:
    """Return the field of a column."""
    kind = kinds.kind_of(described.type, dialect)
    kind_type = NATIVE.get(kind) or FromText(CONVERTED.get(kind) or decimal_type(described.type, dialect))
    value = cast(sql, Text) if kind == kinds.OTHER else sql
    shown = value if kind in NATIVE else cast(sql, Text)
    if kind == kinds.REAL and dialect != "sqlite":  # a short one would be shown differently by each database
        shown = cast(sql, Double)
    order = collate(value, "C") if kind in kinds.TEXTS and dialect == "postgresql" else value
    return Field(described.name, kind, value, shown, order, kind_type, described.nullable)


def decimal_type(type_name: str, dialect: str) -> Numeric[Any]:
    """Return the type of a decimal number that is compared with one of this type."""
    if dialect == "postgresql":
        return Numeric()
    scale = int(type_name.rpartition(",")[2].strip(" )"))
    return Numeric(38, max(scale, 15))
