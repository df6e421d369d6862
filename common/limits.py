"""What a request may cost the worker, beyond its answer."""

from contextlib import suppress
from typing import Any

import gevent
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

# All headers of a request together (bytes).
LARGEST_HEAD = 16_384
# Read at once of a body that nobody asked for (bytes).
PIECE = 65_536


def has_body(req: Request) -> bool:
    """Whether a body follows the headers (RFC 9112 section 6)."""
    return any(name in ("CONTENT-LENGTH", "TRANSFER-ENCODING") for name, _ in req.headers)


def skip_body(req: Request) -> bool:
    """Read a body that nobody asked for, in turns with other connections; False if it is broken.

    gunicorn would read on for as long as data is there, let nobody else have a turn, and answer a
    broken body although the request has been answered.
    """
    with suppress(ParseException, OSError):
        while req.body.read(PIECE):
            gevent.sleep(0)
        return True
    return False


class ShortRequest(Request):  # type: ignore[misc]  # untyped
    """A request that costs little memory until it is whole: gunicorn would hold 1.6 MB."""

    def parse(self, unreader: Any) -> bytes:  # noqa: ANN401  gunicorn's own
        """Called by gunicorn."""
        self.max_buffer_headers = LARGEST_HEAD
        return bytes(super().parse(unreader))


RequestParser.mesg_class = ShortRequest
