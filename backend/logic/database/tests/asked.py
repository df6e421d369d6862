"""Random queries about rows."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from backend.logic.database.tests.oracle import Asked, Condition, Row, as_text

OPERATORS = ["eq", "ne", "lt", "lte", "gt", "gte", "in", "contains", "isnull"]
Columns = dict[str, list[Any]]


def queries(rows: list[Row]) -> st.SearchStrategy[Asked]:
    """Return queries about these rows."""
    columns = {name: [row[name] for row in rows if row[name] is not None] for name in rows[0]}
    return asked(columns)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def value(values: list[Any]) -> st.SearchStrategy[Any]:
    """Return a column's values, and others of its kind."""
    known = st.integers(0, len(values) - 1).map(lambda n: values[n])
    match values[0]:
        case str():
            piece = st.builds(lambda text, at: text[at : at + 3], known, st.integers(0, 2))
            return known | piece | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)
        case Decimal():
            return known | st.decimals(-1000, 1000, places=3)
        case float():
            can_be_asked_for = known.filter(lambda number: float(as_text(number)) == number)
            return can_be_asked_for | st.floats(-1000, 1000).map(lambda number: float(f"{number:.9f}"))
        case int() if is_number(values[0]):
            return known.filter(lambda number: abs(number) < 10**18) | st.integers(-(10**18) + 1, 10**18 - 1)
    return known


@st.composite
def conditions(draw: st.DrawFn, columns: Columns) -> Condition:
    name = draw(st.sampled_from(list(columns)))
    values, operator = columns[name], draw(st.sampled_from(OPERATORS))
    if operator == "isnull":
        return Condition(name, operator, draw(st.booleans()))
    if operator == "in":
        without_commas = value(values).filter(lambda each: each != "" and "," not in str(each))
        return Condition(name, operator, draw(st.lists(without_commas, min_size=1, max_size=20)))
    if operator == "contains" and not isinstance(values[0], str):
        operator = "eq"
    return Condition(name, operator, draw(value(values).filter(lambda each: operator != "contains" or each)))


def computations(columns: Columns) -> st.SearchStrategy[tuple[str, str]]:
    numbers = [name for name, values in columns.items() if is_number(values[0])]
    return st.one_of(
        st.just(("count", "")),
        st.tuples(st.sampled_from(["count", "min", "max"]), st.sampled_from(list(columns))),
        st.tuples(st.sampled_from(["sum", "mean"]), st.sampled_from(numbers)),
    )


@st.composite
def asked(draw: st.DrawFn, columns: Columns) -> Asked:
    def some(choices: list[str], least: int, most: int) -> list[str]:
        return draw(st.lists(st.sampled_from(choices), min_size=least, max_size=most, unique=True))

    names = sortable = list(columns)
    found = draw(st.lists(st.lists(conditions(columns), min_size=1, max_size=3), max_size=2))
    query = Asked(found, limit=draw(st.integers(1, 100)), offset=draw(st.just(0) | st.integers(0, 500)))
    if draw(st.booleans()):
        query.compute.extend(draw(st.lists(computations(columns), min_size=1, max_size=3, unique=True)))
        query.group_by.extend(some(names, 0, 2))
        sortable = [*query.group_by, *("_".join(filter(None, each)) for each in query.compute)]
    elif draw(st.booleans()):
        query.select.extend(some(names, 1, 3))
    query.sort.extend((name, draw(st.booleans())) for name in some(sortable, 0, 2))
    return query
