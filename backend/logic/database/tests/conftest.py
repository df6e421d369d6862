"""A PostgreSQL with tables, for all tests that need one."""

from collections.abc import Iterator

import pytest

from backend.logic.database.tests import postgresql
from backend.logic.database.tests.postgresql import PostgreSQL
from backend.logic.database.tests.samples import orders, readings


@pytest.fixture(scope="session")
def server() -> Iterator[PostgreSQL]:
    with postgresql.running() as it:
        yield it


@pytest.fixture
def filled(server: PostgreSQL) -> str:
    """Return the name of a database with two tables, whose owner is of that name."""
    name = server.new_database()
    with server.connect(name) as connection:
        for sample in (orders(500), readings(500)):
            sample.copy_to(connection)
            connection.execute(f'GRANT SELECT ON "{sample.name}" TO {name}'.encode())
    return name


@pytest.fixture
def served(server: PostgreSQL, filled: str) -> dict[str, str]:
    """Return the settings with which a backend serves that database."""
    return {"DATABASE_URL": server.url(filled), "DATABASE_TABLES": "public.*"}
