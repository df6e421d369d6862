"""A socket that sends the head and the body of an answer in one packet instead of two."""

import errno
from contextlib import suppress

import gevent
from gevent.socket import socket

# A larger part of a body is not copied to travel with the head.
CORKED_BYTES = 65_536


class CorkedSocket:
    """A socket that holds an answer's head back until its body's first part or flush().

    gunicorn sends heads only once the body has begun (as PEP 3333 asks), but in a packet of their own.

    Args:
        sock: the caller's socket.
        send_timeout: seconds for each send; then BrokenPipeError, since a caller that does
            not read would otherwise hold its answer in memory for ever.
    """

    def __init__(self, sock: socket, send_timeout: float) -> None:
        self.sock = sock
        self.send_timeout = send_timeout
        self.head: bytes | None = b""  # None where the next data is an answer's head

    def cork(self) -> None:
        """Hold back what comes next."""
        self.head = None

    def flush(self) -> None:
        """Send the head of an answer without a body."""
        if self.head:
            self.sendall(b"")

    def sendall(self, data: bytes) -> None:
        """Send the data, together with the head before it."""
        if self.head is None:
            self.head = data
            return
        head, self.head = self.head, b""
        if head:
            self.begin_answer(head)
        if head and len(data) > CORKED_BYTES:
            self.transmit(head)
            self.transmit(data)
        else:
            self.transmit(head + data)

    def begin_answer(self, head: bytes) -> None:
        """Do what is due before an answer's head is sent."""

    def send(self, data: bytes) -> int:
        """Send all of the data now; return its size."""
        self.flush()
        self.transmit(data)
        return len(data)

    def transmit(self, data: bytes) -> None:
        """Send all of the data within the time limit."""
        unsent = memoryview(data)
        with suppress(BlockingIOError):
            unsent = unsent[self.sock.send(unsent, timeout=0.0) :]  # nearly always all of it, and no timer
        if unsent:
            why = f"the caller did not read its answer for {self.send_timeout:g} s"
            with gevent.Timeout(self.send_timeout, BrokenPipeError(errno.EPIPE, why)):
                self.sock.sendall(unsent)
