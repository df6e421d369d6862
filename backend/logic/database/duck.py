"""CSV, Parquet and DuckDB files, which DuckDB reads in place."""

from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import Dialect, Select, func, select
from sqlalchemy.dialects.postgresql.base import PGDialect
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from backend.logic.database.kinds import OTHER, REAL
from backend.logic.database.limits import MAX_SECONDS, MAX_TABLES, out_of_range, too_slow
from backend.logic.database.memory import memory_for_queries
from backend.logic.database.tables import Described, DescribedTable, Table, make_table
from common.cpu import cores_in_quota

# Largest CSV that is kept in memory, since reading it anew takes longer than a query (bytes).
MAX_LOADED = 8 * 2**20
# The most rows of a file without a declared key in which one is looked for.
MAX_KEY_ROWS = 5_000_000
COLUMNS = "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE {} ORDER BY column_index"
TABLES = """
    SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $1 AND NOT internal
    UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = $1 AND NOT internal
    ORDER BY ALL
"""
KEY = """
    SELECT constraint_column_names FROM duckdb_constraints()
    WHERE database_name = $1 AND schema_name = $2 AND table_name = $3 AND constraint_type = 'PRIMARY KEY'
"""


class DuckDB:
    """A file that DuckDB reads."""

    # DuckDB's SQL is PostgreSQL's.
    dialect: Dialect = PGDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    system = "duckdb"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings: dict[str, Any] = {
            "memory_limit": f"{memory_for_queries() // 2**20}MiB",
            "threads": cores_in_quota(),
            "temp_directory": "",  # there is no writable disk
            "autoinstall_known_extensions": False,  # from the network
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }

    def open(self) -> dict[str, Table]:
        """Return the file's tables, by their names in the path."""
        if is_duckdb(self.path):
            self.database = duckdb.connect(self.path, read_only=True, config=self.settings)
        else:
            self.database = duckdb.connect(config=self.settings)
            name, source = quoted(self.path.name.partition(".")[0]), from_file(self.database, self.path)
            in_place = "read_parquet" in source or self.path.stat().st_size > MAX_LOADED
            self.database.execute(f"CREATE {'VIEW' if in_place else 'TABLE'} {name} AS SELECT * {source}")
            self.database.execute("SET allowed_paths = [$1]", [str(self.path)])
        self.database.execute("SET TimeZone = 'UTC'")
        self.database.execute("SET parquet_metadata_cache = true")  # the file stays as it is
        self.database.execute("SET enable_external_access = false")
        self.database.execute("SET lock_configuration = true")
        (catalog,) = self.database.execute("SELECT current_database()").fetchall()[0]
        names = self.database.execute(TABLES, [catalog]).fetchall()
        if not 1 <= len(names) <= MAX_TABLES:
            raise ValueError(f"{len(names)} tables; allowed: 1 to {MAX_TABLES}")
        tables = [self.describe(catalog, schema, name) for schema, name in names]
        return {table.name: table for table in tables}

    def describe(self, catalog: str, schema: str, name: str) -> Table:
        """Return a table or view."""
        where = "database_name = $1 AND schema_name = $2 AND table_name = $3"
        found = self.database.execute(COLUMNS.format(where), [catalog, schema, name]).fetchall()
        columns = [Described(*each) for each in found]
        declared = self.database.execute(KEY, [catalog, schema, name]).fetchone()
        described = DescribedTable(schema, name, columns, ())
        key = declared[0] if declared else []
        if catalog == "memory":  # no database, in which keys are declared
            key = self.first_column_if_unique(described)
        columns = [each._replace(nullable=each.nullable and each.name not in key) for each in columns]
        return make_table(described._replace(columns=columns, key=key), "duckdb", "main")

    def first_column_if_unique(self, described: DescribedTable) -> list[str]:
        """Return the first column's name if its values tell all rows apart, or else nothing."""
        table = make_table(described, "duckdb", "main")
        first = next(iter(table.fields.values()))
        if first.kind in (REAL, OTHER):
            return []
        rows, values = self.first(select(func.count(), func.count(first.value)).select_from(table.sql))
        if rows != values or rows > MAX_KEY_ROWS:
            return []
        (different,) = self.first(select(func.count(first.value.distinct())))
        return [first.name] if different == rows else []

    def first(self, statement: Select[*tuple[Any, ...]]) -> Any:  # noqa: ANN401  a row
        """Return the first row of a statement without parameters."""
        return self.database.execute(str(statement.compile(dialect=self.dialect))).fetchone()

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection that reads them."""
        return self.database.cursor()

    def http_error(self, error: Exception) -> HTTPException | None:
        """Return what a caller is told about an error, or None for an unexpected one."""
        if isinstance(error, duckdb.InterruptException):
            return too_slow(MAX_SECONDS)
        if isinstance(error, duckdb.OutOfMemoryException):
            return ServiceUnavailable("the query needs more memory than is left for it", retry_after=1)
        if isinstance(error, duckdb.IOException):
            return ServiceUnavailable("database unavailable", retry_after=1)
        if isinstance(error, duckdb.DataError | OverflowError | duckdb.InvalidInputException):
            return out_of_range()
        return None


def from_file(database: duckdb.DuckDBPyConnection, path: Path) -> str:
    """Return the FROM clause for a file; the types of a CSV's columns are those that all its rows have."""
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return f"FROM read_parquet({literal(path)})"
    sniff = "SELECT Prompt FROM sniff_csv($1, sample_size = -1)"
    ((sniffed,),) = database.execute(sniff, [str(path)]).fetchall()
    return str(sniffed).rstrip(";")


def is_duckdb(path: Path) -> bool:
    """Return whether the file is a database of DuckDB's."""
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def quoted(name: str) -> str:
    """Return a name in SQL."""
    return '"{}"'.format(name.replace('"', '""'))


def literal(path: Path) -> str:
    """Return a path in SQL, which takes no parameters there."""
    return "'{}'".format(str(path).replace("'", "''"))
