"""Limits on how long requests wait for a database and use it."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

import gevent
from gevent.lock import BoundedSemaphore
from werkzeug.exceptions import BadRequest, ServiceUnavailable

# Longest wait for a connection, and longest use of it, whatever the database does (seconds).
MAX_WAIT, MAX_SECONDS = 0.1, 1.7
# Seconds after which callers that got no connection may come again, one after the other: so late that
# refusing them again costs little, and not all at once.
RETRY_AFTER = range(5, 15)
# Most tables that are served, and most columns of one.
MAX_TABLES, MAX_COLUMNS = 100, 200


class Permits:
    """A limit on how many requests use a database at once, and for how long."""

    def __init__(self, number: int) -> None:
        self.free = BoundedSemaphore(number)  # in turn, unlike those who wait for a pool
        self.retry_after = cycle(RETRY_AFTER)

    @contextmanager
    def use(self, seconds: float = MAX_SECONDS) -> Iterator[None]:
        """Wait for a permit and limit the time of the block.

        Raises:
            ServiceUnavailable: there is none in time, or the block took too long.
        """
        if not self.free.acquire(timeout=MAX_WAIT):
            raise ServiceUnavailable("database busy", retry_after=next(self.retry_after))
        try:
            # Not an Exception, so SQLAlchemy discards the connection that it interrupts.
            with gevent.Timeout(seconds):
                yield
        except gevent.Timeout:
            raise too_slow(seconds) from None
        finally:
            self.free.release()


def too_slow(seconds: float) -> ServiceUnavailable:
    """Return the error of a query that was stopped."""
    return ServiceUnavailable(f"database too slow: stopped after {seconds:g} s", retry_after=1)


def out_of_range() -> BadRequest:
    """Return the error of values that the database cannot compute with."""
    return BadRequest("a value is out of the range that the database can compare or compute with")


def misconfigured(detail: str) -> ServiceUnavailable:
    """Return the error of settings that do not fit the data; only the log has the detail."""
    error = ServiceUnavailable("database misconfigured; the service's log has the details", retry_after=5)
    error.__cause__ = RuntimeError(detail)  # as `raise … from` does
    return error
