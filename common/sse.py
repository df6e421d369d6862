"""Server-sent events: how they are written and read.

html.spec.whatwg.org/multipage/server-sent-events.html, sections 9.2.5 and 9.2.6.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MIMETYPE = "text/event-stream"
# Proxies neither keep events nor hold them back; the second one is nginx's.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# The last event's name: the whole answer, or what kept it from being whole. All others have none.
END, FAILED = "end", "failed"
# Means nothing, but shows proxies that the connection is in use.
COMMENT = b":\n\n"
COMMENT_INTERVAL = 15.0  # seconds


def wants_events(environ: "WSGIEnvironment") -> bool:
    """Return whether a request's Accept names server-sent events; `*/*` does not."""
    accept = environ.get("HTTP_ACCEPT", "")
    if MIMETYPE not in accept.lower() or environ["REQUEST_METHOD"] == "HEAD":
        return False
    return parse_accept_header(accept, MIMEAccept)[MIMETYPE] > 0


class EventResponse(Response):
    """A response that sends encoded events, and closes what yields them in the end."""

    default_mimetype = MIMETYPE

    def __init__(self, events: Iterable[bytes]) -> None:
        super().__init__(events, headers=HEADERS)


def encoded(data: bytes, name: str = "") -> bytes:
    """Return an event as it is sent; its data must be one line, as JSON is here."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data) if name else b"data: %s\n\n" % data


@dataclass(frozen=True)
class Event:
    """An event that was received: its name, "" without one, and its data."""

    name: str
    data: bytes


class TooLarge(ValueError):
    """An event is larger than allowed."""


class Decoder:
    """Decodes events piece by piece.

    Args:
        limit: bytes that an event may have.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.unread = bytearray()  # the line that has no end yet
        self.name = ""
        self.data = bytearray()  # the lines of the event so far, each with a line feed
        self.is_after_cr = False

    @property
    def held(self) -> int:
        """The bytes of an unfinished event."""
        return len(self.data) + len(self.unread)

    def decode(self, piece: bytes) -> Iterator[Event | None]:
        """Return the events that a piece ends, None for a comment.

        Raises:
            TooLarge: the event that has begun is larger than the limit.
        """
        if self.is_after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self.is_after_cr = False
        self.unread += piece
        if b"\n" in piece or b"\r" in piece:
            lines = self.unread.splitlines(keepends=True)
            self.is_after_cr = lines[-1].endswith(b"\r")
            self.unread = bytearray() if lines[-1].endswith((b"\r", b"\n")) else lines.pop()
            for line in lines:
                yield from self.decode_line(bytes(line.rstrip(b"\r\n")))
        if self.held > self.limit:
            raise TooLarge(f"event of more than {self.limit} bytes")

    def decode_line(self, line: bytes) -> Iterator[Event | None]:
        """Return the event that a line ends, None for a comment, nothing for what goes on."""
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if self.data:
                yield Event(self.name, bytes(self.data[:-1]))
            self.name, self.data = "", bytearray()
        elif not field:
            yield None
        elif field == b"event":
            self.name = value.decode(errors="replace")
        elif field == b"data":
            self.data += value + b"\n"
            if len(self.data) > self.limit:
                raise TooLarge(f"event of more than {self.limit} bytes")
