"""Numbers computed from a column: `compute=count,mean:price`.

Sums and means are computed from whole numbers, so that they depend neither on the order of the rows
nor on the database's floating-point arithmetic.
"""

from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Double, Integer, Numeric, Text, cast, func
from sqlalchemy.types import TypeEngine
from werkzeug.exceptions import BadRequest

from backend.logic.database import kinds
from backend.logic.database.filters import names
from backend.logic.database.kinds import Kind
from backend.logic.database.tables import NATIVE, Field, FromText, Table
from common.text import shortened

FUNCTIONS = ("count", "sum", "mean", "min", "max")
MAX_COMPUTATIONS = 8
# Decimal places of computed real numbers, and of those that they are computed from.
DECIMALS = 6
SCALE = 10.0**DECIMALS

ROUNDED = Kind(
    "real",
    kinds.REAL.allowed,
    kinds.REAL.parse,
    lambda value: None if value is None else round(value, DECIMALS),
)
# A sum may be longer than the database's longest whole number.
LONG_INTEGER = kinds.INTEGER._replace(show=lambda value: None if value is None else int(value))


class Computation(NamedTuple):
    """A function, the column it is applied to (none for `count` of rows), and the result's name."""

    function: str
    column: str
    name: str


def computations(table: Table, text: str) -> tuple[Computation, ...]:
    """Return what compute=function:column,… asks for.

    Raises:
        BadRequest: it is not allowed; says what is.
    """
    number = text.count(",") + 1
    if number > MAX_COMPUTATIONS:
        raise BadRequest(f"compute: {number} computations; allowed: {MAX_COMPUTATIONS}")
    found = tuple(computation(table, each) for each in text.split(","))
    if len(set(found)) < number:
        raise BadRequest(f"compute={shortened(text)!r}: the same is asked for twice")
    return found


def computation(table: Table, text: str) -> Computation:
    """Return what one function:column asks for."""
    function, colon, column = text.partition(":")
    if function not in FUNCTIONS:
        raise BadRequest(
            f"compute={shortened(text)!r}; allowed: count, sum, mean, min or max, then a colon and a column; "
            "count also alone"
        )
    if function == "count" and not colon:
        return Computation("count", "", "count")
    check_column(table, column, "compute")
    kind = table.fields[column].kind
    if function in ("sum", "mean") and kind not in kinds.NUMBERS:
        raise BadRequest(f"compute={shortened(text)!r}: {column} is {kind.name}; allowed: count, min, max")
    return Computation(function, column, f"{function}_{column}")


def check_column(table: Table, name: str, parameter: str) -> None:
    """Raise BadRequest, naming the parameter, unless the table has a column of that name."""
    if name not in table.fields:
        raise BadRequest(f"{parameter}: no column {shortened(name)!r}; allowed: {names(table)}")


def computed_field(table: Table, computation: Computation) -> Field:
    """Return a computation as a field of the answer."""
    function, name = computation.function, computation.name
    if not computation.column:
        return number_field(name, func.count(), kinds.INTEGER)
    source = table.fields[computation.column]
    if function == "count":
        return number_field(name, func.count(source.value), kinds.INTEGER)
    if function in ("min", "max"):
        return extreme(name, source, getattr(func, function))
    total: ColumnElement[Any] = scaled_sum(source) if source.kind == kinds.REAL else func.sum(source.value)
    if function == "sum" and source.kind != kinds.REAL:
        whole = source.kind == kinds.INTEGER
        total_type: TypeEngine[Any] = source.type
        if whole:
            total_type = FromText(Numeric(38, 0))
        kind = LONG_INTEGER if whole else source.kind
        return Field(name, kind, total, cast(total, Text), total, total_type, nullable=True)
    number = as_double(total)
    if function == "mean":
        number = number / cast(func.count(source.value), Double)
    return number_field(name, number / SCALE if source.kind == kinds.REAL else number, ROUNDED)


def number_field(name: str, value: ColumnElement[Any], kind: Kind) -> Field:
    """Return a field of a whole or a real number."""
    kind_type: TypeEngine[Any] = BigInteger() if kind == kinds.INTEGER else Double()
    return Field(name, kind, value, value, value, kind_type, nullable=kind != kinds.INTEGER)


def extreme(name: str, source: Field, function: Any) -> Field:  # noqa: ANN401  SQLAlchemy's min or max
    """Return the lowest or the highest value of a column."""
    compared = source.order
    compared_type: TypeEngine[Any] = source.type
    if source.kind == kinds.BOOLEAN:  # PostgreSQL has neither of these two
        compared = cast(compared, Integer)
        compared_type = BigInteger()
    elif source.kind == kinds.UUID_TEXT:
        compared = cast(compared, Text)
        compared_type = Text()
    value = shown = function(compared)
    if source.kind == kinds.REAL:
        shown = cast(value, Double)
    elif source.kind not in NATIVE:
        shown = cast(value, Text)
    return Field(name, source.kind, value, shown, value, compared_type, nullable=True)


def scaled_sum(source: Field) -> ColumnElement[Any]:
    """Return the sum of real numbers as whole numbers, which are SCALE times as large."""
    # Not round(), which rounds halves to even in PostgreSQL only.
    return func.sum(cast(func.floor(cast(source.value, Double) * SCALE + 0.5), BigInteger))


def as_double(total: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a sum as the nearest real number, which databases find from a text only."""
    return cast(cast(total, Text), Double)
