"""Streams: answers that a logic yields one mapping after the other."""

from collections.abc import Callable, Iterator
from contextvars import copy_context
from math import inf
from time import monotonic
from typing import Any

import gevent
from flask import Flask, request
from gevent.queue import Channel, Empty
from werkzeug.exceptions import GatewayTimeout, InternalServerError, ServiceUnavailable

from common import sse
from common.budget import BUFFERED, Share
from common.trace_context import TRACE_ID
from common.web import failed_event

# What Mappings return after the last one, and while the next one is not there.
ENDED, WAITING = object(), object()


class Mappings:
    """What a logic's iterator yields, at most one mapping ahead of what is taken.

    The iterator runs in a greenlet of its own, so that a wait for it can be noticed and limited;
    `flask.request` is there as in a view. In the end it must be closed.

    Args:
        iterator: the logic's.
        timeout: longest wait for each mapping (seconds).
        total_timeout: longest time for all of them (seconds).
    """

    def __init__(self, iterator: Iterator[Any], timeout: float, total_timeout: float) -> None:
        self.timeout, self.total_timeout = timeout, total_timeout
        self.must_end_by = monotonic() + total_timeout
        self.is_closed = False
        self.yielded = Channel()
        self.greenlet = gevent.spawn(copy_context().run, self.run, iterator)

    def run(self, iterator: Iterator[Any]) -> None:
        """Run the iterator to its end or first error, and close it."""
        end: object = ENDED
        try:
            try:
                for mapping in iterator:
                    if self.is_closed:
                        break
                    self.yielded.put(mapping)
            finally:
                getattr(iterator, "close", lambda: None)()
        except Exception as error:  # noqa: BLE001  raised again by take()
            end = error
        except (SystemExit, gevent.Timeout) as error:
            end = RuntimeError(f"a stream must not raise {error!r}")
        if not self.is_closed:
            self.yielded.put(end)

    def due(self) -> float:
        """Return when the next mapping must be there, if the wait for it begins now."""
        return min(monotonic() + self.timeout, self.must_end_by)

    def peek(self) -> Any:  # noqa: ANN401  not checked yet
        """Let the iterator run until it waits; return its next mapping, its error, ENDED or WAITING."""
        return self.wait(monotonic(), 0)

    def wait(self, due: float, seconds: float) -> Any:  # noqa: ANN401  not checked yet
        """Return the next mapping, the iterator's error or ENDED; WAITING after so many seconds.

        Raises:
            GatewayTimeout: there is none when it is due.
        """
        left = max(0.0, due - monotonic())
        try:
            return self.yielded.get(timeout=min(left, seconds))
        except Empty:
            if seconds <= left:
                return WAITING
        exc = f"the stream had no event for {self.timeout:g} s"
        if due == self.must_end_by:
            exc = f"the stream did not end within {self.total_timeout:g} s"
        raise GatewayTimeout(exc)

    def take(self) -> Any:  # noqa: ANN401  not checked yet
        """Return the next mapping, or ENDED; raise the iterator's error."""
        taken = self.wait(self.due(), inf)
        if isinstance(taken, Exception):
            raise taken
        return taken

    def first(self) -> Any:  # noqa: ANN401  not checked yet
        """Return the first mapping."""
        mapping = self.take()
        if mapping is ENDED:
            raise InternalServerError("the stream ended without an answer")
        return mapping

    def last(self) -> Any:  # noqa: ANN401  not checked yet
        """Return the last mapping, which is the whole answer."""
        mapping = self.first()
        while (following := self.take()) is not ENDED:
            mapping = following
        return mapping

    def close(self) -> None:
        """End the iterator and wait until it has cleaned up, which may take as long as an answer."""
        self.is_closed = True
        self.greenlet.kill(timeout=self.timeout)


class Stream:
    """Mappings as they are sent as events, the last one as the whole answer; in the end it must be closed.

    Args:
        app: the backend.
        mappings: the logic's.
        encode: returns the JSON of a mapping, and whether it is the whole answer; an Exception otherwise.

    Raises:
        Exception: there is no first mapping.
    """

    def __init__(self, app: Flask, mappings: Mappings, encode: Callable[..., bytes]) -> None:
        self.app, self.mappings, self.encode = app, mappings, encode
        self.trace_id = request.environ.get(TRACE_ID, "")
        self.share = Share(BUFFERED)
        try:
            self.beginning = mappings.first()
            self.event(self.beginning)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        """Return the events as they are sent, and comments."""
        mapping = self.beginning
        try:
            while mapping is not ENDED:
                following = self.mappings.peek()
                if following is not ENDED:  # else it is sent as the whole answer only
                    yield self.event(mapping)
                due = self.mappings.due()
                while following is WAITING:
                    following = self.mappings.wait(due, sse.COMMENT_INTERVAL)
                    if following is WAITING:
                        yield sse.COMMENT
                if isinstance(following, Exception):
                    raise following  # noqa: TRY301
                if following is ENDED:
                    yield self.event(mapping, sse.END)
                mapping = following
        except Exception as error:  # noqa: BLE001  logged if it is unexpected
            yield failed_event(self.app, error, self.trace_id)
        finally:
            self.close()

    def event(self, mapping: Any, name: str = "") -> bytes:  # noqa: ANN401  checked as it is encoded
        """Return a mapping as it is sent."""
        event = sse.encoded(self.encode(mapping, is_whole=name == sse.END), name)
        if not self.share.hold(2 * len(event)):  # as the mapping, too
            raise ServiceUnavailable("too many large answers at once", retry_after=1)
        return event

    def close(self) -> None:
        """End the logic's iterator."""
        self.share.hold(0)
        self.mappings.close()
