"""A file with data, which is taken to stay as it is while this process runs, and is only read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from gevent.threadpool import ThreadPool
from sqlalchemy import Dialect, Select
from sqlalchemy.sql.compiler import SQLCompiler
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from backend.logic.database.answers import Execute
from backend.logic.database.duck import DuckDB
from backend.logic.database.limits import MAX_SECONDS, Permits, misconfigured
from backend.logic.database.sqlite import SQLite
from backend.logic.database.statements import MAX_STATEMENTS
from backend.logic.database.tables import Table
from backend.logic.database.threads import Running, run_in_thread

# Queries of a process that run at once, each in a thread of its own; they share the memory for queries.
MAX_QUERIES = 2


class Connection(Protocol):
    """What DuckDB's and SQLite's connections have in common."""

    def execute(self, sql: str, parameters: Sequence[Any], /) -> Any: ...  # noqa: ANN401  a cursor
    def interrupt(self) -> None: ...
    def close(self) -> None: ...


class Engine(Protocol):
    """What reads a file.

    Attributes:
        dialect: its SQL.
        system: its name in traces.
    """

    dialect: Dialect
    system: str

    def open(self) -> dict[str, Table]:
        """Return the file's tables, by their names in the path."""

    def connect(self) -> Connection:
        """Return a connection that reads them."""

    def http_error(self, error: Exception) -> HTTPException | None:
        """Return what a caller is told about an error, or None for an unexpected one."""


class File:
    """A file with data."""

    def __init__(self, path: Path, seconds: float = MAX_SECONDS) -> None:
        self.path, self.seconds = path, seconds
        self.engine: Engine = SQLite(path) if is_sqlite(path) else DuckDB(path)
        self.system = self.engine.system
        self.permits = Permits(MAX_QUERIES)
        self.pool = ThreadPool(MAX_QUERIES)
        self.opening: Running | None = None

    def read_tables(self) -> dict[str, Table]:
        """Return the file's tables, by their names in the path; it may take several calls until it is read.

        Raises:
            ServiceUnavailable: it is not read yet, or cannot be.
        """
        opening = self.opening = self.opening or Running(self.pool, self.engine.open)
        opening.wait(self.seconds)
        if not opening.ended():
            raise ServiceUnavailable("the data is being read", retry_after=1)
        self.opening = None
        try:
            tables: dict[str, Table] = opening.result()
        except HTTPException:
            raise
        except Exception as error:  # noqa: BLE001  whatever the file is
            raise misconfigured(f"DATA={self.path}: {error}")  # noqa: B904  which has its cause
        return tables

    @contextmanager
    def reading(self) -> Iterator[Execute]:
        """Yield a function that runs statements.

        Raises:
            ServiceUnavailable: the statements are too slow, or too many others run.
        """
        with self.permits.use(self.seconds):
            yield self.execute

    def execute(self, statement: Select[Any], parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """Return a statement's rows."""
        expanded = compiled(statement, self.engine.dialect).construct_expanded_state(parameters)
        connection = self.engine.connect()

        def fetch() -> Sequence[Sequence[Any]]:
            return connection.execute(expanded.statement, expanded.positional_parameters).fetchall()  # type: ignore[no-any-return]

        try:
            return run_in_thread(self.pool, fetch, connection.interrupt)
        except Exception as error:
            if known := self.engine.http_error(error):
                raise known from error
            raise
        finally:
            connection.close()

    def version(self) -> str:
        """Return what is another after a change of the file."""
        state = self.path.stat()
        return f"{state.st_mtime_ns} {state.st_size}"

    def close(self) -> None:
        """End the threads."""
        self.pool.kill()


@lru_cache(MAX_STATEMENTS)
def compiled(statement: Select[Any], dialect: Dialect) -> SQLCompiler:
    """Return a statement in a database's SQL."""
    return statement.compile(dialect=dialect)


def is_sqlite(path: Path) -> bool:
    """Return whether the file is a database of SQLite's."""
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0"
    except OSError:
        return False  # DuckDB says what is wrong with it
