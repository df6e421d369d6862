"""The same query has the same answer from a file, from PostgreSQL and from an oracle in plain Python."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from werkzeug.datastructures import MultiDict

from backend.logic.database.database import Database
from backend.logic.database.files import File
from backend.logic.database.postgresql import PostgreSQL
from backend.logic.database.tests.asked import queries
from backend.logic.database.tests.oracle import Asked
from backend.logic.database.tests.postgresql import PostgreSQL as Server
from backend.logic.database.tests.samples import Sample, orders, readings

# Longest wait for an answer: no query is refused because this machine is busy (seconds).
PATIENCE = 60.0
SHORT, LONG = 500, 100_000


def in_file(sample: Sample, folder: Path, suffix: str = ".parquet") -> Database:
    return Database(File(sample.write(folder / f"{sample.name}{suffix}"), PATIENCE))


def in_postgresql(sample: Sample, server: Server) -> Database:
    name = server.new_database()
    with server.connect(name) as connection:
        sample.copy_to(connection)
        connection.execute(f'GRANT SELECT ON "{sample.name}" TO {name}'.encode())
    return Database(PostgreSQL(server.url(name), "public.*", PATIENCE))


def page(database: Database, sample: Sample, query: str) -> dict[str, Any]:
    return database.page(sample.name, MultiDict(parse_qsl(query, keep_blank_values=True)))


def check(database: Database, sample: Sample, examples: int) -> None:
    """Compare the answers to random queries with the oracle's."""
    with_rows = 0

    @settings(max_examples=examples)
    @given(queries(sample.rows))
    def agree(asked: Asked) -> None:
        nonlocal with_rows
        expected = asked.expected(sample.rows, sample.key)
        answer = page(database, sample, asked.string)
        assert answer["rows"] == [asked.shown(row) for row in expected[asked.offset :][: asked.limit]]
        assert answer["total"] == len(expected)
        assert ("next" in answer) is (asked.offset + asked.limit < len(expected))
        with_rows += bool(answer["rows"])
        end, pages = asked.offset + asked.limit, 0
        while "next" in answer and pages < 2:
            answer = page(database, sample, replace(asked, next=answer["next"]).string)
            assert answer["rows"] == [asked.shown(row) for row in expected[end:][: asked.limit]]
            end, pages = end + asked.limit, pages + 1

    with closing(database.source):
        agree()
    print(f"{examples} queries, {with_rows} of which found rows")
    assert with_rows > examples / 3


@pytest.mark.parametrize("make", [orders, readings])
def test_random_queries_have_the_oracles_answers_from_a_file(make: Any, tmp_path: Path) -> None:
    sample = make(SHORT)
    check(in_file(sample, tmp_path), sample, 150)


@pytest.mark.parametrize("make", [orders, readings])
def test_random_queries_have_the_oracles_answers_from_postgresql(make: Any, server: Server) -> None:
    sample = make(SHORT)
    check(in_postgresql(sample, server), sample, 50)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("make", "rows"), [(orders, LONG), (readings, 2000)])
def test_3000_random_queries_have_the_oracles_answers_from_both(
    make: Any, rows: int, tmp_path: Path, server: Server
) -> None:
    sample = make(rows)
    check(in_file(sample, tmp_path), sample, 3000)
    check(in_postgresql(sample, server), sample, 3000)
