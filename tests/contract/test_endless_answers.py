"""A backend whose answer never ends: an error in time, and no other call has to wait."""

import gzip
import socket
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

from tests.calls import Reply
from tests.processes import Service
from tests.scripted_backend import Behaviour, ScriptedBackend

# Of the client, and what busy cores may add: half a second is enough on a machine that is idle, and a client
# that does not stop is late by ten (seconds).
ANSWER_TIMEOUT, NOISE = 1.5, 5.0
HEALTHY_WITHIN = 5.0  # a twentieth of it on a machine that is idle (seconds)
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
ENDLESS = {
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "reason": (b"HTTP/1.1 200 ", b"x" * 50_000),
    "header name": (OK, b"x" * 50_000),
    "header value": (OK + b"X: ", b"x" * 50_000),
    "headers": (OK, b"X: y\r\n" * 10_000),
    "chunk size": (CHUNKED + b"\r\n", b"0" * 50_000),
    "chunk extension": (CHUNKED + b"\r\n", b"1;" + b"x" * 60_000 + b"\r\nx\r\n"),
    "trailers": (CHUNKED + b"\r\n2\r\n{}\r\n0\r\n", b"X: y\r\n" * 10_000),
    "trailer": (CHUNKED + b"\r\n2\r\n{}\r\n0\r\nX: ", b"x" * 50_000),
    "chunks of a byte": (CHUNKED + b"\r\n", b"1\r\n \r\n" * 10_000),
    "empty gzip members": (OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"") * 1000),
    "gzip of blanks": (OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b" " * 10_000_000)),
}


def sends_without_end(first: bytes, then: bytes) -> Behaviour:
    """Send until the client hangs up, or more than it could ever want."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(first)
        for piece in repeat(then, 10_000):
            connection.sendall(piece)

    return behave


@pytest.fixture(params=ENDLESS)
def endless(request: pytest.FixtureRequest, upstream: ScriptedBackend) -> str:
    """A target whose answer never ends."""
    return upstream.will(sends_without_end(*ENDLESS[request.param]))


def test_an_answer_without_end_is_an_error_in_time_and_holds_up_nobody(
    impatient: Service, endless: str
) -> None:
    health: list[Reply] = []
    with ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(impatient.call, endless) for _ in range(4)]
        while not all(call.done() for call in calls):
            health.append(impatient.call("/healthz"))
        replies = [call.result() for call in calls]

    assert {reply.status for reply in replies} <= {502, 504}
    assert max(reply.seconds for reply in replies) < ANSWER_TIMEOUT + NOISE
    assert max(reply.seconds for reply in health) < HEALTHY_WITHIN


def test_a_large_answer_in_chunks_of_a_byte_is_whole_or_an_error_in_time(
    impatient: Service, upstream: ScriptedBackend
) -> None:
    body = b'{"x": "' + b"x" * 1_000_000 + b'"}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    target = upstream.will(sends_without_end(CHUNKED + b"\r\n" + chunks + b"0\r\n\r\n", b""))

    reply = impatient.call(target)

    assert reply.status in (200, 504)
    assert reply.seconds < ANSWER_TIMEOUT + NOISE
