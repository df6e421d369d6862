"""Streams: calls whose answer is server-sent events, which are passed on as soon as they are there."""

import json
from collections.abc import Iterator, Mapping
from socket import SO_RCVBUF, SOL_SOCKET
from time import monotonic
from typing import Any

import gevent
import requests
from flask import Flask, request
from werkzeug.exceptions import HTTPException

from client.answer import READ_BYTES, Answer
from client.errors import BadAnswer, BudgetExceeded, Disconnected, TooSlow, http_error
from client.upstream import BackendAnswer, Upstream, json_object
from common import sse
from common.budget import BUFFERED, Share
from common.contract import error_fields, with_warning
from common.trace_context import TRACE_ID
from common.web import failed_event

# Not encoded: an encoder may hold events back.
HEADERS = {"Accept": f"{sse.MIMETYPE}, application/json", "Accept-Encoding": "identity"}
# What the system takes of a stream that its caller does not read; it would be megabytes (bytes).
RECEIVE_BUFFER = 65_536


def call_for_events(  # noqa: PLR0913, PLR0917  those of Upstream.call()
    app: Flask,
    upstream: Upstream,
    method: str,
    path: str,
    query: bytes = b"",
    body: Mapping[str, Any] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> "Stream | BackendAnswer":
    """Call the backend for events, or for JSON if it has none; return a stream once its first event is there.

    See Upstream.call(): until the first event nothing is different.
    """
    prepared = upstream.request(method, path, query, body, HEADERS | dict(headers or {}))

    def attempt(prepared: requests.PreparedRequest, connect_timeout: float) -> Stream | BackendAnswer:
        try:
            answer = upstream.send(prepared, connect_timeout)
            if answer.status != 200 or not is_stream(answer):
                return upstream.answer(prepared, answer)
            return Stream(app, upstream, prepared.method or "", answer)
        except requests.RequestException as error:
            raise http_error(error) from error

    return upstream.retried(prepared, attempt)


def is_stream(answer: Answer) -> bool:
    """Return whether an answer is made of events."""
    kind = answer.header(b"content-type")
    return kind.partition(";")[0].strip().lower() == sse.MIMETYPE


class Stream:
    """The events of an answer, as they are sent to the caller; in the end it must be closed.

    The backend's last event gets the client's name, and what ends the stream early becomes a last event.

    Args:
        app: the client.
        upstream: the backend.
        method: the request's.
        answer: the backend's, of which nothing has been read.

    Raises:
        HTTPException, requests.RequestException: there is no first event; see client.errors.
    """

    def __init__(self, app: Flask, upstream: Upstream, method: str, answer: Answer) -> None:
        self.app, self.upstream, self.method, self.answer = app, upstream, method, answer
        self.trace_id = request.environ[TRACE_ID]
        self.answer.sock.setsockopt(SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER)
        self.must_end_by = monotonic() + upstream.stream_timeout
        self.decoder = sse.Decoder(upstream.max_answer_bytes)
        self.share = Share(BUFFERED)
        self.received = self.receive()
        try:
            self.first = next(event for event in self.received if event)
            self.beginning = self.under_own_name(self.first)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        """Return the events as they are sent, and comments."""
        event, sent = self.first, self.beginning
        try:
            while True:
                yield sent
                if event.name:
                    return
                due = monotonic() + self.upstream.answer_timeout
                while not (following := self.wait_until(due)):
                    yield sse.COMMENT
                event, sent = following, self.under_own_name(following)
        except Exception as error:  # noqa: BLE001  logged if it is unexpected
            if isinstance(error, HTTPException):
                error.description = with_warning(error.description, self.method)
            yield failed_event(self.app, error, self.trace_id)
        finally:
            self.close()

    def wait_until(self, due: float) -> sse.Event | None:
        """Return the next event, None for a comment.

        Raises:
            HTTPException: it is not there in time, or what came is no event of a backend; see client.errors.
        """
        left = min(due, self.must_end_by) - monotonic()
        late = TooSlow(
            f"backend sent no event within {self.upstream.answer_timeout:g} s"
            if due < self.must_end_by
            else f"backend did not end its stream within {self.upstream.stream_timeout:g} s"
        )
        if left <= 0:
            raise late
        try:
            with gevent.Timeout(left, late):
                return next(self.received)
        except requests.RequestException as error:
            raise http_error(error) from error

    def receive(self) -> Iterator[sse.Event | None]:
        """Return the events as they arrive, None for a comment."""
        while piece := self.answer.read1(READ_BYTES):
            try:
                for event in self.decoder.decode(piece):
                    self.hold(2 * len(event.data) if event else 0)  # as it came and as it is sent
                    yield event
            except sse.TooLarge as error:
                raise BadAnswer(f"backend's {error}") from None
            self.hold(self.decoder.held)
        raise Disconnected("the stream ended without a last event")

    def hold(self, size: int) -> None:
        """Count `size` bytes as held."""
        if not self.share.hold(size):
            raise BudgetExceeded(f"{BUFFERED.held} of {BUFFERED.limit} bytes are held")

    def under_own_name(self, event: sse.Event) -> bytes:
        """Return an event as the client sends it."""
        fields = json_object(event.data)
        if not event.name:
            return sse.encoded(event.data.replace(b"\n", b" "))
        if event.name == sse.END:
            fields |= {"status_code": 200, "source": self.app.name}
        elif event.name == sse.FAILED:
            ours = {"source": self.app.name, "trace_id": self.trace_id}
            fields = error_fields(502, "error", "") | fields | ours
        else:
            raise BadAnswer(f"backend's event has the unknown name {event.name[:100]!r}")
        return sse.encoded(json.dumps(fields, separators=(",", ":")).encode(), event.name)

    def close(self) -> None:
        """Close the connection to the backend unless all was read."""
        self.hold(0)
        self.answer.close()
