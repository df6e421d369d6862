"""The connections that a worker has open, and which of them go first where there are too many."""

import ctypes
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from common.budget import BUFFERED
from common.serving.request_limits import TooManyBytes

if TYPE_CHECKING:
    from common.serving.connection import Connection

# How finely the sizes of unfinished requests are told apart: looking for the very largest among
# thousands would cost more than all else.
SIZE_STEP = 8192
SIZES = 32
# An unfinished request costs more than its bytes: without it, its connection could be closed (bytes).
OVERHEAD = 4096
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
        self.ending: set[Connection] = set()  # to make room
        # Those without a request in flight, in order: the one that is so for longest comes first.
        self.resting: dict[Connection, None] = {}
        # Those with an unfinished request, by the size of what is held of it.
        self.unfinished: list[dict[Connection, None]] = [{} for _ in range(SIZES)]
        self.most = 0  # open at once, since trim_memory() last did something

    def add(self, connection: "Connection") -> None:
        """Note that a connection is open; it rests once its turn has come."""
        self.open.add(connection)
        self.most = max(self.most, len(self.open))
        self.make_room()

    def remove(self, connection: "Connection") -> None:
        """Note that a connection is closed."""
        self.open.discard(connection)
        self.ending.discard(connection)
        self.resting.pop(connection, None)

    def rest(self, connection: "Connection") -> None:
        """Note that a connection has no request in flight."""
        self.resting.pop(connection, None)
        if connection not in self.ending:
            self.resting[connection] = None
            self.make_room()

    def make_room(self) -> None:
        """Close the connection that has rested longest if there is no room for another one."""
        if len(self.open) - len(self.ending) >= self.limit and self.resting:
            oldest = next(iter(self.resting))
            del self.resting[oldest]
            self.ending.add(oldest)
            oldest.end()

    def resume(self, connection: "Connection") -> None:
        """Note that a connection has a request in flight."""
        self.resting.pop(connection, None)

    def are_many(self) -> bool:
        """Return whether callers should be told to close theirs, before any has to be closed on them."""
        return len(self.open) > self.limit // 2

    def hold(self, connection: "Connection", size: int) -> None:
        """Count `size` bytes as held for an unfinished request; the largest one makes room if need be."""
        more = counted(size) - counted(connection.held)
        if more < 0:
            BUFFERED.release(-more)
        while more > 0 and not BUFFERED.take(more):
            largest = self.largest()
            if largest is None or largest is connection:
                raise TooManyBytes
            largest.shed()
        if size_class(size) != size_class(connection.held):
            self.unfinished[size_class(connection.held)].pop(connection, None)
            if size:
                self.unfinished[size_class(size)][connection] = None
        connection.held = size

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


def counted(size: int) -> int:
    """Return as how many bytes an unfinished request counts of which `size` bytes are held."""
    return size and size + OVERHEAD


def size_class(size: int) -> int:
    """Return which of the SIZES a size counts as; nothing at all is the first."""
    return min(-(-size // SIZE_STEP), SIZES - 1)
