"""What a query must answer, computed from rows in plain Python, independently of any database."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

Row = dict[str, Any]

HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "ne": lambda value, wanted: value != wanted,
    "lt": lambda value, wanted: value < wanted,
    "lte": lambda value, wanted: value <= wanted,
    "gt": lambda value, wanted: value > wanted,
    "gte": lambda value, wanted: value >= wanted,
    "in": lambda value, wanted: value in wanted,
    "contains": lambda value, wanted: wanted in value,
}


def as_text(value: Any) -> str:
    """Return a value as a query has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.15f}".rstrip("0").rstrip(".")
    if isinstance(value, datetime):
        text = value.isoformat().removesuffix("+00:00")
        return (text.rstrip("0") if value.microsecond else text) + ("Z" if value.tzinfo else "")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def as_json(value: Any) -> Any:
    """Return a value as an answer has it."""
    if isinstance(value, Decimal | date | UUID):
        return as_text(value)
    return value


@dataclass(frozen=True)
class Condition:
    column: str
    operator: str
    value: Any

    def holds(self, row: Row) -> bool:
        value = row[self.column]
        if self.operator == "isnull":
            return (value is None) is self.value
        return value is not None and HOLDS[self.operator](value, self.value)

    @property
    def parameter(self) -> tuple[str, str]:
        values = self.value if self.operator == "in" else [self.value]
        return f"{self.column}__{self.operator}", ",".join(map(as_text, values))


@dataclass(frozen=True)
class Asked:
    """A query, as the oracle understands it."""

    conditions: list[list[Condition]] = field(default_factory=list)
    select: list[str] = field(default_factory=list)
    compute: list[tuple[str, str]] = field(default_factory=list)
    group_by: list[str] = field(default_factory=list)
    sort: list[tuple[str, bool]] = field(default_factory=list)
    limit: int = 100
    offset: int = 0
    total: bool = True
    next: str = ""

    @property
    def string(self) -> str:
        """The query string."""
        parameters = []
        for either in self.conditions:
            pairs = [each.parameter for each in either]
            escaped = [(key, text.replace("\\", "\\\\").replace(",", "\\,")) for key, text in pairs]
            alternatives = ",".join(f"{key}={text}" for key, text in escaped)
            parameters += pairs if len(pairs) == 1 else [("or", f"({alternatives})")]
        lists = {
            "select": self.select,
            "compute": [f"{function}:{column}".rstrip(":") for function, column in self.compute],
            "group_by": self.group_by,
            "sort": [f"{'-' if descending else ''}{name}" for name, descending in self.sort],
        }
        parameters += [(name, ",".join(values)) for name, values in lists.items() if values]
        parameters += [("limit", str(self.limit))]
        parameters += [("next", self.next)] if self.next else [("offset", str(self.offset))]
        return urlencode([*parameters, ("total", str(self.total).lower())])

    def expected(self, rows: list[Row], key: list[str]) -> list[Row]:
        """Return all rows of the answer, without limit and offset, and not yet as an answer shows them."""
        found = [
            row for row in rows if all(any(each.holds(row) for each in either) for either in self.conditions)
        ]
        ties = key or list(rows[0])
        if self.compute:
            found, ties = self.computed(found), self.group_by
        for name, descending in reversed([*self.sort, *((name, False) for name in ties)]):
            known = [row for row in found if row[name] is not None]
            known.sort(key=itemgetter(name), reverse=descending)  # stable, also in reverse
            found = known + [row for row in found if row[name] is None]
        return found

    def computed(self, rows: list[Row]) -> list[Row]:
        groups: dict[tuple[Any, ...], list[Row]] = {} if self.group_by else {(): []}
        for row in rows:
            groups.setdefault(tuple(row[name] for name in self.group_by), []).append(row)
        return [
            dict(zip(self.group_by, values, strict=True))
            | {
                "_".join(filter(None, each)): computed(each[0], [row.get(each[1], 0) for row in group])
                for each in self.compute
            }
            for values, group in groups.items()
        ]

    def shown(self, row: Row) -> Row:
        """Return a row as an answer shows it: on demand, since that takes longer than to find and sort it."""
        shown = {name: as_json(row[name]) for name in self.select or row}
        for function, column in self.compute:
            name = "_".join(filter(None, (function, column)))
            if isinstance(shown[name], float) and function in ("sum", "mean"):
                shown[name] = round(shown[name], 6)
            if len(self.compute) == 1:
                shown[function] = shown[name]
        return shown


def computed(function: str, values: list[Any]) -> Any:
    """Return a number computed from a column's values, NULLs left out."""
    values = [value for value in values if value is not None]
    if function == "count":
        return len(values)
    if not values:
        return None
    if function in ("min", "max"):
        return {"min": min, "max": max}[function](values)
    if isinstance(values[0], float):
        total = sum(math.floor(value * 1e6 + 0.5) for value in values)
        return float(total) / 1e6 if function == "sum" else float(total) / len(values) / 1e6
    return sum(values) if function == "sum" else float(sum(values)) / len(values)
