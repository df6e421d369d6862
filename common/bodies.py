"""What is refused of a request's body, and in which words."""

from functools import cached_property
from typing import IO, NoReturn, cast

from flask import Request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.wsgi import LimitedStream

from common.strict_json import MAX_NESTING, TooDeep


class WholeRequest(Request):
    """A request whose body is taken as a whole or not at all."""

    @cached_property
    def stream(self) -> IO[bytes]:
        """The body; reading one that ends early or is too large raises an HTTPException.

        Werkzeug's own would end without a word: early where the caller hangs up, since gunicorn says that it
        ends bodies itself, and one in chunks at MAX_CONTENT_LENGTH.
        """
        length, limit = self.content_length, self.max_content_length
        if limit is not None and (length or 0) > limit:
            raise RequestEntityTooLarge
        source: IO[bytes] = self.environ["wsgi.input"]
        if length is None:
            return source if limit is None else cast("IO[bytes]", Chunks(source, limit + 1, is_max=True))
        return cast("IO[bytes]", LimitedStream(source, length))

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Refuse a body that is not JSON, or that is not said to be (None)."""
        if e is None:
            raise UnsupportedMediaType(f"body of type {self.mimetype[:100]!r}; allowed: application/json")
        raise BadRequest(json_refusal(e)) from None


class Chunks(LimitedStream):
    """A body of unknown length, which must end before the limit."""

    def readall(self) -> bytes:
        """Return the body, or raise RequestEntityTooLarge."""
        body = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return body


def json_refusal(error: ValueError) -> str:
    """Return why a body is not loaded by strict_json, and what is allowed."""
    if isinstance(error, TooDeep):
        return f"body that is nested too deeply; allowed: {MAX_NESTING} levels"
    return "body that is not JSON; allowed: JSON in UTF-8, without NaN and Infinity"
