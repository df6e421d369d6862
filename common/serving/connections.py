"""The connections that a worker has open, and which of them go first where there are too many."""

import ctypes
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.serving.connection import Connection

# How finely the sizes of unfinished requests are told apart: looking for the very largest among
# thousands would cost more than all else.
SIZE_STEP = 8192
SIZES = 32
# What fewer connections used is not worth the few milliseconds that it takes to give it back.
MANY = 100


class Connections:
    """The open connections of a worker.

    Args:
        limit: as many may be open.
        idle_timeout: how long a caller may wait before the first byte of a request (seconds).
    """

    def __init__(self, limit: int, idle_timeout: float) -> None:
        self.limit = limit
        self.idle_timeout = idle_timeout
        self.open: set[Connection] = set()
        # Those without a request in flight, in order: the one that is so for longest comes first.
        self.resting: dict[Connection, None] = {}
        # Those with an unfinished request, by the size of what is held of it.
        self.unfinished: list[dict[Connection, None]] = [{} for _ in range(SIZES)]
        self.most = 0  # open at once, since trim_memory() last did something

    def add(self, connection: "Connection") -> None:
        """Note that a connection is open."""
        self.open.add(connection)
        self.most = max(self.most, len(self.open))
        self.rest(connection)

    def remove(self, connection: "Connection") -> None:
        """Note that a connection is closed."""
        self.open.discard(connection)
        self.resting.pop(connection, None)

    def rest(self, connection: "Connection") -> None:
        """Note that a connection has no request in flight; the oldest of too many makes room for others."""
        self.resting.pop(connection, None)
        self.resting[connection] = None
        if len(self.resting) > self.limit * 3 // 4:
            oldest = next(iter(self.resting))
            del self.resting[oldest]
            oldest.end()

    def resume(self, connection: "Connection") -> None:
        """Note that a connection has a request in flight."""
        self.resting.pop(connection, None)

    def are_many(self) -> bool:
        """Return whether callers should be told to close theirs, before any has to be closed on them."""
        return len(self.open) > self.limit // 2

    def note_size(self, connection: "Connection", before: int, now: int) -> None:
        """Note how many bytes are held of a connection's unfinished request."""
        if size_class(now) != size_class(before):
            self.unfinished[size_class(before)].pop(connection, None)
            if now:
                self.unfinished[size_class(now)][connection] = None

    def largest(self) -> "Connection | None":
        """Return a connection of whose unfinished request most bytes are held, give or take SIZE_STEP."""
        return next((next(iter(each)) for each in reversed(self.unfinished) if each), None)

    def end_late(self) -> None:
        """End what has taken too long."""
        now = monotonic()
        for each in [each for each in self.open if each.deadline < now]:
            each.end()

    def trim_memory(self) -> None:
        """Give back the memory that connections used, after many have been closed: the C library keeps it."""
        if len(self.open) < self.most // 2 and self.most > MANY:
            self.most = len(self.open)
            with suppress(OSError, AttributeError):  # a C library other than GNU's
                ctypes.CDLL(None).malloc_trim(0)

    def end_resting(self) -> None:
        """End those that have no request in flight."""
        for each in self.resting:
            each.end()


def size_class(size: int) -> int:
    """Return which of the SIZES a size counts as; nothing at all is the first."""
    return min(-(-size // SIZE_STEP), SIZES - 1)
