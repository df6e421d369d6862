"""Two tables with columns of all kinds and NULLs, as files and in PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import duckdb
import psycopg

WORDS = [
    "Ada",
    "ada",
    "Zoë",
    "Émile",
    "émile",
    "Z",
    "a,b",
    "x\\y",
    "",
    "100%",
    "ß",
    "ss",
    "日本",
    "𝄞 clef",
    "l_nd",
]


@dataclass(frozen=True)
class Sample:
    """A table: its columns and their types in SQL, its key and its rows."""

    name: str
    columns: dict[str, str]
    key: list[str]
    rows: list[dict[str, Any]]

    def tuples(self) -> Iterator[list[Any]]:
        for row in self.rows:
            yield list(row.values())

    @property
    def sql(self) -> str:
        """The statement that makes the table."""
        columns = [f'"{name}" {kind}' for name, kind in self.columns.items()]
        if self.key:
            columns.append(f"PRIMARY KEY ({', '.join(self.key)})")
        return f'CREATE TABLE "{self.name}" ({", ".join(columns)})'

    def write(self, path: Path) -> Path:
        """Write the table into a Parquet, CSV or DuckDB file, in another order than the key's."""
        in_file = path.suffix == ".duckdb"
        with duckdb.connect(path if in_file else ":memory:") as database:
            database.execute("SET TimeZone = 'UTC'")
            database.execute(self.sql)
            # All at once: a row at a time takes a minute.
            fields = ", ".join(f"v[{n}]::{kind}" for n, kind in enumerate(self.columns.values(), 1))
            values = [[None if each is None else str(each) for each in row] for row in self.tuples()]
            database.execute(
                f'INSERT INTO "{self.name}" SELECT {fields} FROM (SELECT unnest($1::VARCHAR[][]) AS v)',
                [values],
            )
            if not in_file:
                database.execute(f'COPY (FROM "{self.name}" ORDER BY hash("{self.name}")) TO \'{path}\'')
        return path

    def copy_to(self, connection: psycopg.Connection[Any]) -> None:
        """Make the table in PostgreSQL."""
        connection.execute(self.sql.encode())
        with connection.cursor().copy(f'COPY "{self.name}" FROM STDIN'.encode()) as copy:
            for row in self.tuples():
                copy.write_row(row)


def orders(number: int) -> Sample:
    """Return a table with a key and columns of all kinds."""
    random = Random(7)

    def maybe(value: Any) -> Any:
        return None if random.random() < 0.15 else value

    start = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        {
            "id": n * 3 - 500,
            "customer": maybe(random.choice(WORDS) + random.choice(["", " ", "x", "é"])),
            "price": maybe(Decimal(random.randint(-99_999, 9_999_999)).scaleb(-2)),
            "weight": maybe(random.choice([random.uniform(-1e3, 1e3), n / 32, 0.1 * n, 1e-7 * n])),
            "items": maybe(random.choice([random.randint(-5, 5), 2**62, -(2**62), random.randint(0, 10**9)])),
            "paid": maybe(random.random() < 0.5),
            "day": maybe(date(1999, 12, 1) + timedelta(days=random.randint(0, 400))),
            "at": maybe(datetime(2024, 1, 1) + timedelta(microseconds=random.randrange(10**13))),  # noqa: DTZ001
            "seen": maybe(
                start + timedelta(seconds=random.randrange(10**6), milliseconds=random.randrange(9))
            ),
            "token": maybe(UUID(int=random.getrandbits(128))),
            "select": random.randint(0, 9),  # named like an option
            "a__gt": maybe(random.randint(0, 3)),  # named like a condition
        }
        for n in range(number)
    ]
    columns = {
        "id": "INTEGER",
        "customer": "VARCHAR",
        "price": "DECIMAL(12, 2)",
        "weight": "DOUBLE PRECISION",
        "items": "BIGINT",
        "paid": "BOOLEAN",
        "day": "DATE",
        "at": "TIMESTAMP",
        "seen": "TIMESTAMP WITH TIME ZONE",
        "token": "UUID",
        "select": "SMALLINT",
        "a__gt": "INTEGER",
    }
    return Sample("orders", columns, ["id"], rows)


def readings(number: int) -> Sample:
    """Return a table without a key, in which some rows are equal."""
    random = Random(11)
    rows = [
        {
            "sensor": random.choice([*WORDS[:6], None]),
            "value": random.choice([None, *(each / 8 for each in range(-8, 9))]),
            "level": random.choice([None, *range(4)]),
            "amount": random.choice([None, Decimal("0.0001"), Decimal("-1.5000"), Decimal("123456789.1234")]),
            "on_day": random.choice([None, date(2026, 2, 28), date(2026, 3, 1)]),
            "good": random.choice([None, True, False]),
        }
        for _ in range(number)
    ]
    columns = {
        "sensor": "TEXT",
        "value": "REAL",
        "level": "SMALLINT",
        "amount": "NUMERIC(20, 4)",
        "on_day": "DATE",
        "good": "BOOLEAN",
    }
    return Sample("readings", columns, [], rows)
