"""SQLite files. SQLite has whole numbers, real numbers and texts; everything else is one of them."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Dialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from backend.logic.database.limits import MAX_SECONDS, MAX_TABLES, out_of_range, too_slow
from backend.logic.database.tables import Described, DescribedTable, Table, make_table

TABLES = """
    SELECT name FROM sqlite_schema
    WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_' ORDER BY name
"""


class SQLite:
    """A file that SQLite reads."""

    dialect: Dialect = SQLiteDialect(paramstyle="qmark")
    system = "sqlite"

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> dict[str, Table]:
        """Return the file's tables, by their names in the path."""
        connection = self.connect()
        names = [name for (name,) in connection.execute(TABLES)]
        if not 1 <= len(names) <= MAX_TABLES:
            raise ValueError(f"{len(names)} tables; allowed: 1 to {MAX_TABLES}")
        tables = [describe(connection, name) for name in names]
        connection.close()
        return {table.name: table for table in tables}

    def connect(self) -> sqlite3.Connection:
        """Return a connection that reads them."""
        # Immutable: SQLite would make files beside it to see what others write.
        url = f"file:{quote(str(self.path))}?immutable=1"
        connection = sqlite3.connect(url, uri=True, check_same_thread=False, isolation_level=None)
        connection.text_factory = lambda text: text.decode(errors="replace")
        return connection

    def http_error(self, error: Exception) -> HTTPException | None:
        """Return what a caller is told about an error, or None for an unexpected one."""
        if isinstance(error, OverflowError) or "integer overflow" in str(error):
            return out_of_range()
        if isinstance(error, sqlite3.OperationalError) and "interrupted" in str(error):
            return too_slow(MAX_SECONDS)
        if isinstance(error, sqlite3.DatabaseError):
            return ServiceUnavailable("database unavailable", retry_after=1)
        return None


def describe(connection: sqlite3.Connection, name: str) -> Table:
    """Return a table or view."""
    found = connection.execute(
        'SELECT name, type, "notnull", pk FROM pragma_table_info(?)', [name]
    ).fetchall()
    columns = [Described(column, kind or "ANY", not notnull) for column, kind, notnull, _ in found]
    key = [column for column, _, _, place in sorted(found, key=lambda each: each[3]) if place]
    return make_table(DescribedTable("main", name, columns, key), "sqlite", "main")
