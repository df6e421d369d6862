"""Read and check the answers to bytes that may not be HTTP."""

import json
import re
import socket
from contextlib import suppress
from typing import Literal

from tests.calls import connect
from tests.processes import Service

HalfClose = Literal["never", "at once", "after an answer"]
# What cannot be parsed is refused; 501 means an unknown transfer coding.
PARSER_STATUSES = {400, 414, 417, 431, 501}
APPLICATION_STATUSES = {
    "backend": {200, 201, 204, 304, 400, 404, 405, 412, 413, 414, 415},
    "client": {200, 400, 404, 405, 413, 414, 415},
}


def statuses(service: Service, sent: bytes, *, half_close: HalfClose = "never") -> list[int]:
    """Send bytes on one connection; check all answers and return their statuses.

    Args:
        service: which answers.
        sent: any number of requests.
        half_close: when to end the sending side, which a request that is not whole needs. After 250 ms of
            work that is a hang-up, so all else ends with what closes the connection: `Connection: close`.
    """
    with connect(service.port) as connection:
        with suppress(OSError):  # the service may hang up whenever it likes
            connection.sendall(sent)
            if half_close == "at once":
                connection.shutdown(socket.SHUT_WR)
        beginning = b""
        if half_close == "after an answer":
            with suppress(OSError):
                beginning = connection.recv(65536)
                connection.shutdown(socket.SHUT_WR)
        return [check(service, *answer) for answer in split(beginning + received(connection))]


def received(connection: socket.socket) -> bytes:
    """Return all bytes until the connection ends."""
    data = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            data += piece
    return data


def split(data: bytes) -> list[tuple[int, bytes, bytes]]:
    """Return the status, head and body of each answer, without the interim 100s."""
    answers = []
    while data:
        match = re.match(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n", data)
        assert match, f"no HTTP answer: {data!r}"
        status, head, data = int(match[1]), match[2], data[match.end() :]
        if status == 100:
            continue
        length = re.search(rb"\r\nContent-Length: (\d+)\r\n", b"\r\n" + head)
        assert length or not data or data.startswith(b"HTTP/1."), head  # none from the client to HEAD
        size = 0 if data.startswith(b"HTTP/1.") or not length else int(length[1])  # no body to HEAD
        answers.append((status, head, data[:size]))
        data = data[size:]
    return answers


def check(service: Service, status: int, head: bytes, body: bytes) -> int:
    """Check that an answer is JSON and sound; return its status."""
    application_statuses = APPLICATION_STATUSES[service.name]
    assert status in PARSER_STATUSES | application_statuses, (status, head, body)
    assert status in (204, 304) or b"Content-Type: application/json" in head
    if status in PARSER_STATUSES - application_statuses:
        assert b"Connection: close" in head
    if body:
        answer = json.loads(body)
        if "info" in answer:  # OpenAPI
            assert answer["info"]["title"] == service.name
            return status
        assert answer["status_code"] == status
        assert answer["source"] == service.name
    return status
