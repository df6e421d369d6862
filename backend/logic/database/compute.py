"""What `compute=function:column` asks for.

Sums and means are computed from whole numbers, so that neither the order of rows nor a database's
own arithmetic shows.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Double,
    TypeDecorator,
    cast,
    func,
    type_coerce,
)
from werkzeug.exceptions import BadRequest

from backend.logic.database.filters import COLUMNS
from backend.logic.database.table import DECIMALS, TABLE

SCALE = 10**DECIMALS


class Scaled(TypeDecorator[float]):
    """A number that the database computed from numbers SCALE times as large, rounded."""

    impl = Double
    cache_ok = True

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        """The number for the answer."""
        return None if value is None else round(value / self.scale, DECIMALS)


def computation(text: str) -> tuple[ColumnElement[Any], str]:
    """What compute=function:column asks for, in SQL and in words."""
    function, _, name = text.partition(":")
    if function not in ("count", "sum", "mean", "min", "max"):
        raise BadRequest(
            f"compute={text[:100]!r}; allowed: count, sum, mean, min or max, then a colon and a column"
        )
    of = column(name, "compute")
    kind = of.type.python_type
    words = f"{function} of {name}"
    if function in ("count", "min", "max"):
        return getattr(func, function)(of).label(function), words
    if kind is str:
        raise BadRequest(f"compute={text!r}: {name} is text; allowed: count, min, max")
    scale = SCALE if kind is float else 1
    numbers = of if kind is int else cast(func.round(of * float(scale)), BigInteger)
    total: ColumnElement[Any] = cast(func.sum(numbers), BigInteger)  # PostgreSQL's is numeric
    if function == "sum" and kind is int:
        return total.label(function), words
    if function == "mean":
        total = cast(total, Double) / cast(func.count(of), Double)
    return type_coerce(total, Scaled(scale)).label(function), words


def column(name: str, where: str) -> Column[Any]:
    """The column of that name."""
    if name not in TABLE.c:
        raise BadRequest(f"{where}: no column {name[:100]!r}; allowed: {COLUMNS}")
    return TABLE.c[name]
