"""Limits on what a request may cost before the application sees it."""

from contextlib import suppress
from typing import Any

import gevent
from gunicorn.http import message
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from common.contract import MAX_QUERY_BYTES

# All headers of a request together.
MAX_HEAD_BYTES = 16_384
# The query travels in the request line. Twice as long as allowed, so that a query a bit too long gets JSON.
MAX_REQUEST_LINE_BYTES = 2 * MAX_QUERY_BYTES
# Read at once from a body that nobody asked for.
READ_BYTES = 65_536


def limit_requests() -> None:
    """Make gunicorn parse requests within our limits; called once in each worker.

    gunicorn has no option for either: it caps `limit_request_line` at 8,190 bytes and derives the
    size of all headers from `limit_request_fields`.
    """
    message.MAX_REQUEST_LINE = MAX_REQUEST_LINE_BYTES + 1
    RequestParser.mesg_class = BoundedRequest


class BoundedRequest(Request):  # type: ignore[misc]  # untyped
    """A request that buffers at most MAX_HEAD_BYTES of headers; gunicorn's own buffers up to 800 kB."""

    def parse(self, unreader: Any) -> bytes:  # noqa: ANN401  gunicorn's own
        """Parse with the smaller buffer."""
        self.max_buffer_headers = MAX_HEAD_BYTES
        return bytes(super().parse(unreader))


def has_body(req: Request) -> bool:
    """Return whether a body follows the headers (RFC 9112 section 6)."""
    return any(name in ("CONTENT-LENGTH", "TRANSFER-ENCODING") for name, _ in req.headers)


def discard_body(req: Request) -> bool:
    """Read a body that nobody asked for, in turns with other connections; return False if it is malformed.

    gunicorn would read on for as long as data is there, let nobody else have a turn, and answer a
    malformed body although the request has been answered.
    """
    with suppress(ParseException, OSError):
        while req.body.read(READ_BYTES):
            gevent.sleep(0)
        return True
    return False
