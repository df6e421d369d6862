"""The database logic's query strings: errors say what is allowed, and values are bound."""

import re
from urllib.parse import parse_qsl

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from backend.logic.database.query import parse
from backend.logic.database.table import TABLE, rows

COLUMNS = (
    "name, country_code, country, latitude, longitude, utc_offset_minutes, summer_offset_minutes, comment"
)
KEYS = (
    f"{COLUMNS}, each also with __ne, __lt, __lte, __gt, __gte, __in, __contains; "
    "and sort, limit, offset, compute, group_by"
)
FUNCTIONS = "count, sum, mean, min or max, then a colon and a column"


@pytest.mark.parametrize(
    ("query", "exc"),
    [
        ("altitude=1", f"unknown 'altitude'; allowed: {KEYS}"),
        ("=1", f"unknown ''; allowed: {KEYS}"),
        ("name__like=A", f"unknown 'name__like'; allowed: {KEYS}"),
        ("name__=A", f"unknown 'name__'; allowed: {KEYS}"),
        ("name__lt__gt=A", f"unknown 'name__lt__gt'; allowed: {KEYS}"),
        ("latitude=north", "latitude='north'; allowed: a number such as -12.5"),
        ("latitude__gt=nan", "latitude__gt='nan'; allowed: a number such as -12.5"),
        ("latitude=1e5", "latitude='1e5'; allowed: a number such as -12.5"),
        ("latitude=", "latitude=''; allowed: a number such as -12.5"),
        ("utc_offset_minutes=1.5", "utc_offset_minutes='1.5'; allowed: a whole number"),
        ("utc_offset_minutes__in=1,,2", "utc_offset_minutes__in=''; allowed: a whole number"),
        (
            "utc_offset_minutes=1234567890123456789",
            "utc_offset_minutes='1234567890123456789'; allowed: a whole number",
        ),
        ("utc_offset_minutes=%D9%A3", "utc_offset_minutes='٣'; allowed: a whole number"),
        ("name=a%00b", r"name='a\x00b'; allowed: text"),
        ("latitude__contains=1", "latitude__contains: expected a text column and at least one character"),
        ("name__contains=", "name__contains: expected a text column and at least one character"),
        ("name__in=" + "a," * 100, "name__in: 101 values; allowed: 100"),
        ("name=a&" * 21, "21 conditions; allowed: 20"),
        ("limit=0", "limit='0'; allowed: a whole number from 1 to 100"),
        ("limit=101", "limit='101'; allowed: a whole number from 1 to 100"),
        ("limit=", "limit=''; allowed: a whole number from 1 to 100"),
        ("offset=-1", "offset='-1'; allowed: a whole number from 0 to 1000000"),
        ("offset=1000001", "offset='1000001'; allowed: a whole number from 0 to 1000000"),
        ("limit=1&limit=1", "limit is given twice"),
        ("sort=height", f"sort: no column 'height'; allowed: {COLUMNS}, each also with a - before it"),
        ("sort=", f"sort: no column ''; allowed: {COLUMNS}, each also with a - before it"),
        ("sort=" + "name," * 8 + "name", "sort: 9 columns; allowed: 8"),
        ("compute=median:latitude", f"compute='median:latitude'; allowed: {FUNCTIONS}"),
        ("compute=", f"compute=''; allowed: {FUNCTIONS}"),
        ("compute=mean", f"compute: no column ''; allowed: {COLUMNS}"),
        ("compute=mean:height", f"compute: no column 'height'; allowed: {COLUMNS}"),
        ("compute=sum:name", "compute='sum:name': name is text; allowed: count, min, max"),
        ("compute=mean:latitude&group_by=a", f"group_by: no column 'a'; allowed: {COLUMNS}"),
        ("group_by=country", "group_by needs compute"),
        (
            "compute=mean:latitude&group_by=country&sort=name",
            "sort: no column 'name'; allowed: country, mean, each also with a - before it",
        ),
    ],
)
def test_a_query_that_is_not_allowed_is_refused_with_what_is(query: str, exc: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(MultiDict(parse_qsl(query, keep_blank_values=True)))

    assert refused.value.description == exc


@pytest.mark.parametrize(
    "key",
    ["name", "name__in", "latitude", "limit", "sort", "compute", "group_by", "x" * 5000],
)
def test_an_error_echoes_at_most_200_characters_of_a_query(key: str) -> None:
    long = {key: "\0" + "x" * 50_000}
    with pytest.raises(BadRequest) as refused:
        parse(MultiDict({"compute": "count:name"} | long))

    assert re.search("x{90,100}…'; allowed", refused.value.description or "")
    assert (refused.value.description or "").count("x") < 200


def test_an_answer_echoes_at_most_200_characters_of_a_query() -> None:
    words = parse(MultiDict([("compute", "count:summer_offset_minutes"), *[("name", "x" * 3000)] * 20])).words

    assert words == f"count of summer_offset_minutes of time zones where name is {'x' * 141}…"


def test_a_description_that_fits_is_whole() -> None:
    words = parse(MultiDict([("name__in", "a,b"), ("latitude__gt", "1")])).words

    assert words == "time zones where name is one of a, b and latitude is greater than 1"


def test_values_are_parameters_so_that_queries_share_statements() -> None:
    query = parse(MultiDict({"name": "harm1", "name__in": "harm2,harm3", "limit": "7", "offset": "9"}))
    other = parse(MultiDict({"name": "safe", "name__in": "", "limit": "8"}))

    assert query.parameters == {"value_0": "harm1", "value_1": ["harm2", "harm3"], "limit": 7, "offset": 9}
    assert "harm" not in str(query.statement)
    assert query.statement is other.statement


def test_the_table_has_nulls_reals_whole_numbers_and_texts_beyond_ascii() -> None:
    table = rows()

    assert len(table) == 418
    assert {row["name"]: row for row in table}["America/Curacao"] == {
        "name": "America/Curacao",
        "country_code": "CW",
        "country": "Curaçao",
        "latitude": 12.1833,
        "longitude": -69.0,
        "utc_offset_minutes": -240,
        "summer_offset_minutes": None,
        "comment": None,
    }
    assert set(table[0]) == set(TABLE.c.keys())
