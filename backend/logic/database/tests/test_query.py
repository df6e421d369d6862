"""Query strings: errors say what is allowed, and values are bound."""

import re
from urllib.parse import parse_qsl

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, ServiceUnavailable

from backend.logic.database.answers import Page, requested_page
from backend.logic.database.pages import Place, encode
from backend.logic.database.statements import select_page
from backend.logic.database.tables import Described, DescribedTable, Table, make_table

COLUMNS = {
    "id": "INTEGER",
    "name": "TEXT",
    "price": "NUMERIC(10, 2)",
    "weight": "DOUBLE PRECISION",
    "paid": "BOOLEAN",
    "day": "DATE",
    "at": "TIMESTAMP",
    "seen": "TIMESTAMP WITH TIME ZONE",
    "token": "UUID",
    "limit": "INTEGER",
}
NAMES = "id, name, price, weight, paid, day, at, seen, token, limit"
KEYS = (
    f"{NAMES}, each also with __eq, __ne, __lt, __lte, __gt, __gte, __in, __contains, __isnull; "
    "and or, select, sort, limit, offset, next, total, compute, group_by"
)
FUNCTIONS = "count, sum, mean, min or max, then a colon and a column; count also alone"
MOMENTS = "allowed: a time such as 2026-12-31T23:59:59Z, or with %2B01:00"
NEXT = "next is not understood; allowed: the next of the answer before"


def make(dialect: str = "postgresql") -> Table:
    columns = [Described(name, kind, nullable=name != "id") for name, kind in COLUMNS.items()]
    return make_table(DescribedTable("public", "orders", columns, ["id"]), dialect, "public")


ORDERS = make()


def page(query: str, table: Table = ORDERS) -> Page:
    return requested_page(table, MultiDict(parse_qsl(query, keep_blank_values=True)))


@pytest.mark.parametrize(
    ("query", "exc"),
    [
        ("altitude=1", f"unknown 'altitude'; allowed: {KEYS}"),
        ("=1", f"unknown ''; allowed: {KEYS}"),
        ("name__like=A", f"unknown 'name__like'; allowed: {KEYS}"),
        ("name__=A", f"unknown 'name__'; allowed: {KEYS}"),
        ("name__lt__gt=A", f"unknown 'name__lt__gt'; allowed: {KEYS}"),
        ("weight=north", "weight='north'; allowed: a number such as -12.5"),
        ("weight__gt=nan", "weight__gt='nan'; allowed: a number such as -12.5"),
        ("price=1e5", "price='1e5'; allowed: a number such as -12.5"),
        ("price=", "price=''; allowed: a number such as -12.5"),
        ("id=1.5", "id='1.5'; allowed: a whole number"),
        ("id__in=1,,2", "id__in=''; allowed: a whole number"),
        ("id=1234567890123456789", "id='1234567890123456789'; allowed: a whole number"),
        ("id=%D9%A3", "id='٣'; allowed: a whole number"),
        ("name=a%00b", r"name='a\x00b'; allowed: text"),
        ("paid=1", "paid='1'; allowed: true or false"),
        ("day=2026-02-29", "day='2026-02-29'; allowed: a date such as 2026-12-31"),
        ("day=20260228", "day='20260228'; allowed: a date such as 2026-12-31"),
        ("at=2026-02-28T24:01", "at='2026-02-28T24:01'; allowed: a time such as 2026-12-31T23:59:59"),
        (
            "at=2026-02-28T10:00:00Z",
            "at='2026-02-28T10:00:00Z'; allowed: a time such as 2026-12-31T23:59:59",
        ),
        (
            "seen=2026-02-28T10:00:00+01:00",  # a + is a blank
            f"seen='2026-02-28T10:00:00 01:00'; {MOMENTS}",
        ),
        (
            "seen=0001-01-01T00:00%2B01:00",
            f"seen='0001-01-01T00:00+01:00'; {MOMENTS}",
        ),
        ("token=1", "token='1'; allowed: a UUID such as 123e4567-e89b-12d3-a456-426614174000"),
        ("name__isnull=1", "name__isnull='1'; allowed: true or false"),
        ("weight__contains=1", "weight__contains: expected a text column and at least one character"),
        ("name__contains=", "name__contains: expected a text column and at least one character"),
        ("name__in=" + "a," * 100, "name__in: 101 values; allowed: 100"),
        ("name=a&" * 21, "21 conditions; allowed: 20"),
        ("or=name=a", "or='name=a'; allowed: (column=value,column__operator=value)"),
        ("or=()", "or: '' is no condition; allowed: column=value"),
        ("or=(name=a,b)", "or: 'b' is no condition; allowed: column=value"),
        ("or=(nam=a)", f"unknown 'nam'; allowed: {NAMES}, each also with "),
        ("or=(name=a" + ",name=a" * 20 + ")", "or: more than 20 conditions"),
        ("name=a&" * 11 + "or=(name=a" + ",name=a" * 9 + ")", "more than 20 conditions"),
        ("limit=0", "limit='0'; allowed: a whole number from 1 to 100"),
        ("limit=101", "limit='101'; allowed: a whole number from 1 to 100"),
        ("limit=", "limit=''; allowed: a whole number from 1 to 100"),
        ("offset=-1", "offset='-1'; allowed: a whole number from 0 to 1000000"),
        ("offset=1000001", "offset='1000001'; allowed: a whole number from 0 to 1000000"),
        ("limit=1&limit=1", "limit is given twice"),
        ("total=1", "total='1'; allowed: true or false"),
        ("next=x", NEXT),
        ("next=", NEXT),
        ("next=é", NEXT),
        ("next=" + encode(Place(1, [1, 2]), "orders", ("id",)), NEXT),
        ("next=" + encode(Place(-1, [1]), "orders", ("id",)), NEXT),
        ("next=" + encode(Place(1, ["\ud800"]), "orders", ("id",)), NEXT),
        ("next=" + encode(Place(1, [[1]]), "orders", ("id",)), NEXT),
        (
            "next=" + encode(Place(1, [1]), "orders", ("name",)),
            "next belongs to another table or order; allowed: the next of the answer before",
        ),
        ("next=x&offset=1", "next does not go with offset"),
        ("select=height", f"select: no column 'height'; allowed: {NAMES}"),
        ("select=id,id", "select='id,id': a column is given twice"),
        ("select=" + "id," * 10 + "id", "select: 11 columns; allowed: 10"),
        ("select=id&compute=count", "select does not go with compute; allowed: group_by"),
        ("sort=height", f"sort: no column 'height'; allowed: {NAMES}, each also with a - before it"),
        ("sort=", f"sort: no column ''; allowed: {NAMES}, each also with a - before it"),
        ("sort=" + "name," * 8 + "name", "sort: 9 columns; allowed: 8"),
        ("compute=median:id", f"compute='median:id'; allowed: {FUNCTIONS}"),
        ("compute=", f"compute=''; allowed: {FUNCTIONS}"),
        ("compute=mean", f"compute: no column ''; allowed: {NAMES}"),
        ("compute=mean:height", f"compute: no column 'height'; allowed: {NAMES}"),
        ("compute=sum:name", "compute='sum:name': name is text; allowed: count, min, max"),
        ("compute=mean:paid", "compute='mean:paid': paid is boolean; allowed: count, min, max"),
        ("compute=count,count", "compute='count,count': the same is asked for twice"),
        ("compute=" + "count," * 8 + "count", "compute: 9 computations; allowed: 8"),
        ("compute=count&group_by=a", f"group_by: no column 'a'; allowed: {NAMES}"),
        ("compute=count&group_by=id,id,id,id,id", "group_by: 5 columns; allowed: 4"),
        ("group_by=id", "group_by needs compute"),
        (
            "compute=mean:id&group_by=name&sort=id",
            "sort: no column 'id'; allowed: name, mean_id, each also with a - before it",
        ),
    ],
)
def test_a_query_that_is_not_allowed_is_refused_with_what_is(query: str, exc: str) -> None:
    with pytest.raises(BadRequest) as refused:
        page(query)

    description = refused.value.description or ""
    assert description.startswith(exc)
    assert description == exc or exc.endswith("with ")


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "name__in",
        "weight",
        "limit",
        "or",
        "total",
        "sort",
        "select",
        "compute",
        "group_by",
        "x" * 5000,
    ],
)
def test_an_error_echoes_at_most_200_characters_of_a_query(key: str) -> None:
    long = {key: "\0" + "x" * 50_000}
    with pytest.raises(BadRequest) as refused:
        requested_page(ORDERS, MultiDict(({} if key == "select" else {"compute": "count:name"}) | long))

    assert re.search("x{90,100}…'; allowed", refused.value.description or "")
    assert (refused.value.description or "").count("x") < 200


def test_an_answer_echoes_at_most_200_characters_of_a_query() -> None:
    words = page("compute=count:day&" + ("name=" + "x" * 3000 + "&") * 20).query.words

    assert words == f"count of day of orders where name is {'x' * 141}…"


def test_a_description_that_fits_is_whole() -> None:
    query = "name__in=a,b&weight__gt=1&or=(day__isnull=true,name=a\\,b)&compute=count,mean:id&group_by=name"

    assert page(query).query.words == (
        "count, mean of id of orders where name is one of a, b and weight is greater than 1 "
        "and (day is NULL or name is a,b), by name"
    )


def test_a_column_that_is_named_like_an_option_is_meant_with_eq() -> None:
    asked = page("limit=7&limit__eq=3")

    assert asked.query.limit == 7
    assert asked.parameters == {"value_0_0": 3}


def test_in_an_or_a_backslash_keeps_a_comma_in_its_value() -> None:
    assert page(r"or=(name=a\,b\\,id__in=1\,2)").parameters == {"value_0_0": "a,b\\", "value_0_1": [1, 2]}


def test_values_are_parameters_so_that_queries_share_statements() -> None:
    asked = page("name=harm1&name__in=harm2,harm3&limit=7&offset=9")
    other = page("name=safe&name__in=&limit=8")

    assert asked.parameters == {"value_0_0": "harm1", "value_1_0": ["harm2", "harm3"]}
    assert "harm" not in str(select_page(ORDERS, asked.shape))
    assert select_page(ORDERS, asked.shape) is select_page(ORDERS, other.shape)


def test_names_are_quoted() -> None:
    columns = [Described('x"; DROP TABLE y; --', "INTEGER", nullable=True)]
    table = make_table(DescribedTable('s"', "order", columns, []), "postgresql", "public")

    assert table.name == 's".order'
    assert 'FROM "s"""."order"' in str(select_page(table, page("", table).shape))
    assert '"x""; DROP TABLE y; --"' in str(select_page(table, page("", table).shape))


def test_a_table_that_is_named_like_a_reserved_path_has_its_schema_in_its_path() -> None:
    assert (
        make_table(DescribedTable("public", "healthz", [], []), "postgresql", "public").name
        == "public.healthz"
    )


def test_a_table_with_too_many_columns_is_refused() -> None:
    columns = [Described(f"c{n}", "INTEGER", nullable=True) for n in range(201)]

    with pytest.raises(ServiceUnavailable) as refused:
        make_table(DescribedTable("public", "wide", columns, []), "postgresql", "public")

    assert str(refused.value.__cause__) == "public.wide has 201 columns; allowed: 200"


def test_a_next_that_would_be_too_long_counts_rows_instead() -> None:
    assert len(encode(Place(40, ["x" * 5000], 1), "orders", ("name",))) < 100
