"""Answers from a table: filtered, sorted, computed; on SQLite or PostgreSQL.

Each request is one unit of work: one connection, one read-only transaction, within LONGEST_WAIT.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.lock import RLock
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, func, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import ServiceUnavailable

from backend.logic import Logic
from backend.logic.database.query import parse
from backend.logic.database.table import TABLE, rows
from backend.settings import DatabaseSettings

# From a request to its answer, whatever the database does (seconds).
LONGEST_WAIT = 1.8
# Any number that all Pods agree on: who holds this lock loads the table.
LOAD_LOCK = 7_203_415_526


def make(settings: DatabaseSettings) -> Logic:
    """Make the logic."""
    database = Database(postgresql(settings.database_url) if settings.database_url else sqlite())
    return Logic(database.answer, database.ready)


def postgresql(url: str) -> Engine:
    """An engine whose transactions read one snapshot, and only read."""
    options = {
        "default_transaction_read_only": "on",
        "default_transaction_isolation": r"repeatable\ read",
        "statement_timeout": "1500",  # ms; the server gives up before we do
    }
    return create_engine(
        url,
        pool_pre_ping=True,  # a connection that the server closed is replaced, not used
        pool_size=10,  # PostgreSQL allows 100 in all
        max_overflow=0,
        pool_timeout=1.5,
        hide_parameters=True,  # what callers ask for is not for the log
        connect_args={
            "connect_timeout": 2,  # psycopg's shortest; LONGEST_WAIT ends it before
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        },
    )


def sqlite() -> Engine:
    """An engine for a database in this process's memory, which holds what ships with the backend.

    In memory, because a Pod can write nowhere else, and nothing of it may outlast the code it came with.
    """
    engine = create_engine("sqlite:///file:/time_zones?vfs=memdb&uri=true", poolclass=QueuePool)

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:  # noqa: ANN401  sqlite3's
        connection.isolation_level = None  # sqlite3 itself would begin no transaction to read

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN")

    return engine


def load(connection: Connection) -> None:
    """Make the table with its rows, unless it is there and has some; safe in many Pods at once."""
    if connection.dialect.name == "postgresql":
        # The rows of whoever had the lock before are seen only outside of a snapshot.
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"))
        connection.execute(select(func.pg_advisory_xact_lock(LOAD_LOCK)))
    else:
        connection.execute(text("PRAGMA query_only = OFF"))
    TABLE.create(connection, checkfirst=True)
    if connection.scalar(select(TABLE).limit(1)) is None:
        connection.execute(insert(TABLE), rows())


class Database:
    """The table in a database, which may be away for a while."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.lock = RLock()
        self.loaded = self.was_ready = False

    def ready(self) -> None:
        """Raise ServiceUnavailable until the database was there once; an outage later is none of ours."""
        if not self.was_ready:
            with self.transaction():
                self.was_ready = True

    def answer(self, args: MultiDict[str, str]) -> dict[str, Any]:
        """Answer a query.

        Raises:
            BadRequest: not a query; says what is allowed.
            ServiceUnavailable: the database is away or slow.
        """
        query = parse(args)
        with self.transaction() as connection:
            found = [dict(row) for row in connection.execute(query.rows).mappings()]
            total = connection.scalar(query.total)
        result = found[0][query.only] if query.only and found else f"{len(found)} of {total}"
        return {"message": f"{query.words}: {result}", "rows": found, "total": total}

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A unit of work; ServiceUnavailable when the database is away or slow."""
        try:
            # A Timeout is no Exception, so SQLAlchemy drops the connection that it hit.
            with gevent.Timeout(LONGEST_WAIT):
                with self.lock:
                    if not self.loaded:
                        with self.engine.begin() as connection:
                            load(connection)
                        self.loaded = True
                with self.engine.connect() as connection, connection.begin():
                    yield connection
        except gevent.Timeout:
            raise ServiceUnavailable("database too slow", retry_after=1) from None
        except PoolTimeoutError as error:
            raise ServiceUnavailable("database busy", retry_after=1) from error
        except DBAPIError as error:
            self.loaded = False  # who knows what comes back
            raise ServiceUnavailable("database unavailable", retry_after=1) from error.orig
