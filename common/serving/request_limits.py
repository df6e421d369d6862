"""Limits on what a request may cost before the application sees it."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import gevent
from gunicorn.http import message
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from common.contract import MAX_QUERY_BYTES

if TYPE_CHECKING:
    from common.serving.connection import Connection

# All headers of a request together.
MAX_HEAD_BYTES = 16_384
# The query travels in the request line. Twice as long as allowed, so that a query a bit too long gets JSON.
MAX_REQUEST_LINE_BYTES = 2 * MAX_QUERY_BYTES
# Ends a head.
HEAD_END = b"\r\n\r\n"
NOT_ASCII = bytes(range(0x80, 0x100))
PERCENT_ENCODED = {byte: f"%{byte:02X}" for byte in NOT_ASCII}
# Read at once of a body that the application did not read: gunicorn holds as much of a slow one.
READ_BYTES = 8192
# A caller who sends more of such a body is cut off, perhaps before he has read why it was refused.
MAX_DISCARDED_BYTES = 16_777_216


def limit_requests() -> None:
    """Make gunicorn parse requests within our limits; called once in each worker.

    gunicorn has no option for either: it caps `limit_request_line` at 8,190 bytes and derives the
    size of all headers from `limit_request_fields`.
    """
    message.MAX_REQUEST_LINE = MAX_REQUEST_LINE_BYTES + 1
    RequestParser.mesg_class = BoundedRequest


class TooManyBytes(Exception):
    """The process holds as many bytes of unfinished requests as it may."""


class TwoSlashes(ParseException):  # type: ignore[misc]  # untyped
    """A path begins with two slashes, which some read as a host and others as one slash."""


class BoundedRequest(Request):  # type: ignore[misc]  # untyped
    """A request that is parsed once all of its head has arrived, which is of bounded size.

    gunicorn's own parses anew, and copies, whatever has arrived, and buffers up to 800 kB of headers.
    """

    def parse(self, unreader: Any) -> bytes:  # noqa: ANN401  gunicorn's own
        """Parse the connection's next head."""
        connection = unreader.sock
        connection.received[:0] = unreader.take_buffered()  # what was read beyond the end of a body
        head = connection.read_head()
        if not head:
            raise StopIteration
        line_end = head.find(b"\r\n", 2)
        if line_end >= 0 and exceeds_limits(len(head) - len(HEAD_END), line_end):
            raise LimitRequestHeaders(MAX_HEAD_BYTES)
        unreader.unread(head if head.isascii() else with_ascii_target(head))
        rest = bytes(super().parse(unreader))
        if self.path.startswith("//"):  # to werkzeug, `//healthz` is `/healthz`
            raise TwoSlashes(self.path)
        return rest

    def _peer_is_trusted_proxy(self) -> bool:
        """Return False at once; gunicorn would parse the caller's address to look for it in an empty list."""
        return False


def with_ascii_target(head: bytes) -> bytes:
    """Return the head with its target percent-encoded as nginx and browsers leave it to the server to do."""
    line, crlf, rest = head.partition(b"\r\n")
    method, blank, target = line.partition(b" ")
    if line.isascii() or not method.isascii():
        return head
    encoded_size = len(line) + 2 * (len(target) - len(target.translate(None, NOT_ASCII)))
    if encoded_size > MAX_REQUEST_LINE_BYTES:
        raise LimitRequestLine(encoded_size, MAX_REQUEST_LINE_BYTES)
    encoded = target.decode("latin-1").translate(PERCENT_ENCODED).encode()
    return b"".join((method, blank, encoded, crlf, rest))


def exceeds_limits(size: int, line_end: int) -> bool:
    """Return whether a head of at least `size` bytes, whose line ends there or not yet (-1), is too large."""
    if line_end < 0:
        return size > MAX_REQUEST_LINE_BYTES + 4  # gunicorn refuses it, also after an empty line
    return size - line_end > MAX_HEAD_BYTES


def has_bare_lf(data: bytearray, start: int) -> bool:
    """Return whether a line ends in LF alone from `start` on: gunicorn refuses such a head."""
    return data.count(b"\n", start) != data.count(b"\r\n", max(0, start - 1))


def has_body(req: Request) -> bool:
    """Return whether a body follows the headers (RFC 9112 section 6)."""
    return any(name in ("CONTENT-LENGTH", "TRANSFER-ENCODING") for name, _ in req.headers)


def discard_body(req: Request, connection: "Connection") -> bool:
    """Read what the application left of a body; return False if it is malformed or too long.

    gunicorn would read for as long as there is data, without letting other connections run, and answer a
    malformed body although the request has been answered.
    """
    size = 0
    with suppress(ParseException, OSError, TooManyBytes):
        while size < MAX_DISCARDED_BYTES:
            data = req.body.read(READ_BYTES)
            if not data:
                return True
            size += len(data)
            connection.connections.hold(connection, 0)
            gevent.sleep(0)
    return False
