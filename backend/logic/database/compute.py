"""Aggregates: `compute=function:column`.

Sums and means are computed from whole numbers, so that they depend neither on the order of the rows
nor on the database's floating-point arithmetic.
"""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, Double, TypeDecorator, cast, func, type_coerce
from werkzeug.exceptions import BadRequest

from backend.logic import shortened
from backend.logic.database.filters import COLUMNS
from backend.logic.database.table import DECIMALS, TABLE

SCALE = 10**DECIMALS


class Scaled(TypeDecorator[float]):
    """A number computed by the database from values multiplied by `scale`; divided by it and rounded."""

    impl = Double
    cache_ok = True

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        return None if value is None else round(value / self.scale, DECIMALS)


def computation(text: str) -> tuple[str, str]:
    """Return the function and the column that compute=function:column names."""
    function, _, name = text.partition(":")
    if function not in ("count", "sum", "mean", "min", "max"):
        raise BadRequest(
            f"compute={shortened(text)!r}; allowed: count, sum, mean, min or max, then a colon and a column"
        )
    check_column(name, "compute")
    if function in ("sum", "mean") and TABLE.c[name].type.python_type is str:
        raise BadRequest(f"compute={text!r}: {name} is text; allowed: count, min, max")
    return function, name


def aggregate(function: str, name: str) -> ColumnElement[Any]:
    """Return a computation in SQL, labelled with its function's name."""
    column = TABLE.c[name]
    if function in ("count", "min", "max"):
        return getattr(func, function)(column).label(function)  # type: ignore[no-any-return]
    whole = column.type.python_type is int
    scale = 1 if whole else SCALE
    numbers = column if whole else cast(func.round(column * float(scale)), BigInteger)
    total: ColumnElement[Any] = cast(func.sum(numbers), BigInteger)  # PostgreSQL returns numeric
    if function == "sum" and whole:
        return total.label(function)
    if function == "mean":
        total = cast(total, Double) / cast(func.count(column), Double)
    return type_coerce(total, Scaled(scale)).label(function)


def check_column(name: str, parameter: str) -> None:
    """Raise BadRequest, naming the parameter, unless the table has a column of that name."""
    if name not in TABLE.c:
        raise BadRequest(f"{parameter}: no column {shortened(name)!r}; allowed: {COLUMNS}")
