"""PostgreSQL: transactions, in which its tables are read, or a logic of one's own does its work.

Nothing is asked of the server that a standby, a role that may only read, or PgBouncer in transaction
mode would refuse: what holds for a transaction is set within it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DataError, DBAPIError
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from backend.logic.database.answers import Execute
from backend.logic.database.limits import MAX_SECONDS, Permits, misconfigured, out_of_range, too_slow
from backend.logic.database.reflection import reflect
from backend.logic.database.tables import Table

Result = TypeVar("Result")

# Connections of a process; PostgreSQL allows 100 in all.
MAX_CONNECTIONS = 10
# How often work is tried whose transaction gets in the way of others: SQLSTATE's serialization failure and
# deadlock.
MAX_ATTEMPTS = 5
IN_THE_WAY = ("40001", "40P01")
# What a server says that is there, but not for this user.
REFUSED = re.compile("authentication failed|does not exist|pg_hba.conf|not permitted to log in")


class PostgreSQL:
    """A PostgreSQL that may be unavailable for a while."""

    system = "postgresql"

    def __init__(self, url: str, served: str = "", seconds: float = MAX_SECONDS) -> None:
        self.served, self.seconds = served, seconds
        self.permits = Permits(MAX_CONNECTIONS)
        self.engine = create_engine(
            url,
            pool_pre_ping=True,  # replaces connections that the server closed
            pool_size=MAX_CONNECTIONS,
            max_overflow=0,
            hide_parameters=True,  # queries stay out of the log
            connect_args={
                "connect_timeout": 2,  # psycopg's shortest; a request may take less
                "prepare_threshold": None,  # PgBouncer would not find a prepared statement again
            },
        )

    @contextmanager
    def transaction(self, *, write: bool = False, seconds: float = MAX_SECONDS) -> Iterator[Connection]:
        """Yield a connection in a transaction, which is committed at the end of the block.

        It is rolled back on any exception, on the caller's hang-up and after `seconds`.

        Args:
            write: whether it may change something; it is then serializable, see `retried`.
            seconds: longest duration of the block.

        Raises:
            ServiceUnavailable: the database is unavailable, slow or busy.
        """
        level = "SERIALIZABLE" if write else "REPEATABLE READ"
        try:
            with self.permits.use(seconds), self.engine.connect() as connection:
                connection.execution_options(isolation_level=level, postgresql_readonly=not write)
                with connection.begin(), dropped_if_interrupted(connection):
                    # Less than the block may take, so that the server stops, too.
                    connection.exec_driver_sql(
                        f"SET LOCAL statement_timeout = {int(seconds * 900)}; SET LOCAL TimeZone = 'UTC'; "
                        "SET LOCAL DateStyle = 'ISO'"
                    )
                    yield connection
        except DBAPIError as error:
            raise http_error(error, seconds) from error.orig

    @contextmanager
    def reading(self) -> Iterator[Execute]:
        """Yield a function that runs statements in a transaction."""
        with self.transaction(seconds=self.seconds) as connection:
            yield lambda statement, parameters: connection.execute(statement, parameters).all()

    def read_tables(self) -> dict[str, Table]:
        """Return the tables and views that DATABASE_TABLES names, by their names in the path."""
        with self.transaction(seconds=self.seconds) as connection:
            return reflect(connection, self.served)

    def version(self) -> str:
        """Return nothing: the rows may change at any time."""
        return ""

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def dropped_if_interrupted(connection: Connection) -> Iterator[None]:
    """Close the connection if the block is interrupted, which rolls back without a word to the server."""
    try:
        yield
    except Exception:
        raise
    except BaseException:
        connection.invalidate()
        raise


def retried(work: Callable[[], Result]) -> Result:
    """Return what a function returns that uses a transaction; call it again if that was in the way of others.

    Raises:
        ServiceUnavailable: it was so MAX_ATTEMPTS times.
    """
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return work()
        except ServiceUnavailable as error:
            if getattr(error.__cause__, "sqlstate", None) not in IN_THE_WAY:
                raise
    return work()


def http_error(error: DBAPIError, seconds: float) -> HTTPException:
    """Return what a caller is told about an error of the database; the log has the error itself."""
    state = getattr(error.orig, "sqlstate", None) or ""
    if state == "57014":  # statement_timeout
        return too_slow(seconds)
    if state[:2] == "22" or state == "42846" or isinstance(error, DataError):  # cannot coerce
        return out_of_range()
    # Login, database, schema, table or column; the driver has no SQLSTATE while it connects.
    if state[:2] in ("28", "3D", "3F", "42") or (not state and REFUSED.search(str(error.orig))):
        return misconfigured(str(error.orig))
    if state in IN_THE_WAY:
        return ServiceUnavailable("the transaction was in the way of others", retry_after=1)
    return ServiceUnavailable("database unavailable", retry_after=1)
