"""The logic `database`: rows of a table, filtered and sorted, or aggregates of them; SQLite or PostgreSQL.

A request waits at most MAX_WAIT for one of MAX_CONNECTIONS, and then has MAX_SECONDS. It is one read-only
statement, and a second one for the total of a page without rows. Connections are in autocommit mode,
where each statement is a transaction and costs one round trip.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import gevent
from gevent.lock import BoundedSemaphore
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, func, insert, select, text
from sqlalchemy.exc import DBAPIError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import ServiceUnavailable

from backend.logic import Logic
from backend.logic.database.query import MAX_STATEMENTS, Query, parse
from backend.logic.database.table import TABLE, rows
from backend.settings import DatabaseSettings

# Connections of a process; PostgreSQL allows 100 in all.
MAX_CONNECTIONS = 10
# Longest wait for a connection, and longest use of it, whatever the database does (seconds).
MAX_WAIT, MAX_SECONDS = 0.1, 1.7
# Seconds after which callers that got no connection may come again, one after the other: so late that
# refusing them again costs little, and not all at once.
RETRY_AFTER = range(5, 15)
# PostgreSQL's advisory lock for filling the table; any number will do if all Pods use the same.
INSERT_LOCK = 7_203_415_526


def make(settings: DatabaseSettings) -> Logic:
    database = Database(postgresql(settings.database_url) if settings.database_url else sqlite())
    return Logic(database.answer, database.ready)


def postgresql(url: str) -> Engine:
    """Return an engine whose transactions are read-only by default."""
    options = {
        "default_transaction_read_only": "on",
        "statement_timeout": "1500",  # ms; less than MAX_SECONDS
    }
    return create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        query_cache_size=MAX_STATEMENTS,
        pool_pre_ping=True,  # replaces connections that the server closed
        pool_size=MAX_CONNECTIONS,
        max_overflow=0,
        hide_parameters=True,  # queries stay out of the log
        connect_args={
            "connect_timeout": 2,  # psycopg's shortest; MAX_SECONDS is shorter
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        },
    )


def sqlite() -> Engine:
    """Return an engine for a database in this process's memory, with the data that ships with the backend.

    In memory, because a Pod has no writable disk and the data must not outlast the code it ships with.
    """
    url = "sqlite:///file:/time_zones?vfs=memdb&uri=true"
    engine = create_engine(
        url, isolation_level="AUTOCOMMIT", poolclass=QueuePool, query_cache_size=MAX_STATEMENTS
    )

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:  # noqa: ANN401  sqlite3's
        connection.execute("PRAGMA query_only = ON")

    return engine


def insert_rows(engine: Engine) -> None:
    """Create the table and insert its rows, unless it has any; safe in many Pods at once."""
    is_postgresql = engine.dialect.name == "postgresql"
    # Not in a snapshot, which would hide the rows that the lock's last holder inserted.
    level = "READ COMMITTED" if is_postgresql else "SERIALIZABLE"
    with engine.connect().execution_options(isolation_level=level) as connection, connection.begin():
        if is_postgresql:
            connection.execute(text("SET TRANSACTION READ WRITE"))
            connection.execute(select(func.pg_advisory_xact_lock(INSERT_LOCK)))
        else:
            connection.execute(text("PRAGMA query_only = OFF"))
        TABLE.create(connection, checkfirst=True)
        if connection.scalar(select(TABLE).limit(1)) is None:
            connection.execute(insert(TABLE), rows())
        if not is_postgresql:
            connection.execute(text("PRAGMA query_only = ON"))


class Database:
    """The table in a database that may be unavailable for a while."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.free = BoundedSemaphore(MAX_CONNECTIONS)
        self.retry_after = cycle(RETRY_AFTER)
        self.has_rows = self.was_ready = False

    def ready(self) -> None:
        """Raise ServiceUnavailable until the database was reached once; in later outages requests fail."""
        if not self.was_ready:
            with self.connection():
                self.was_ready = True

    def answer(self, args: MultiDict[str, str]) -> dict[str, Any]:
        """Return the fields of the answer to a query.

        Raises:
            BadRequest: the query is not allowed; says what is.
            ServiceUnavailable: the database is unavailable, slow or busy.
        """
        query = parse(args)
        with self.connection() as connection:
            found, total = fetch(connection, query)
        result = found[0][query.only] if query.only and found else f"{len(found)} of {total}"
        return {"message": f"{query.words}: {result}", "rows": found, "total": total}

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yield a read-only connection; ServiceUnavailable if there is none in time or it fails."""
        if not self.free.acquire(timeout=MAX_WAIT):
            raise ServiceUnavailable("database busy", retry_after=next(self.retry_after))
        try:
            # Not an Exception, so SQLAlchemy discards the connection that it interrupts.
            with gevent.Timeout(MAX_SECONDS):
                if not self.has_rows:
                    insert_rows(self.engine)
                    self.has_rows = True
                with self.engine.connect() as connection:
                    yield connection
        except gevent.Timeout:
            raise ServiceUnavailable("database too slow", retry_after=1) from None
        except DBAPIError as error:
            self.has_rows = False  # the database may come back empty
            raise ServiceUnavailable("database unavailable", retry_after=1) from error.orig
        finally:
            self.free.release()


def fetch(connection: Connection, query: Query) -> tuple[list[dict[str, Any]], int]:
    """Return the rows that a query selects, and how many there are without limit and offset."""
    result = connection.execute(query.statement, query.parameters)
    *fields, _ = result.keys()
    found = result.all()
    if found:
        return [dict(zip(fields, row, strict=False)) for row in found], found[0][-1]
    if query.parameters["offset"] == 0:
        return [], 0
    first = connection.execute(query.statement, query.parameters | {"limit": 1, "offset": 0}).first()
    return [], first[-1] if first else 0
