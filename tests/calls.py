"""HTTP calls over plain sockets, which send exactly the bytes that a test wrote."""

import http.client
import json
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

# How long to wait for anything (seconds): long enough for two busy cores.
PATIENCE = 20.0
# How soon work is left after a hang-up, and what busy cores add; an answer has more time (seconds).
LEFT_WITHIN, LEFT_MARGIN = 0.5, 5.0
# What busy cores add to a stop; what would delay it takes longer (seconds).
STOP_MARGIN = 8.0


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    @property
    def answer(self) -> tuple[int, Any]:
        """The status and the decoded JSON, without the trace id that each error has."""
        assert self.headers["Content-Type"] == "application/json", self
        fields = json.loads(self.body)
        if self.status >= 400:
            assert re.fullmatch("[0-9a-f]{32}", fields.pop("trace_id")), self
        return self.status, fields


def error(status: int, exc: str, source: str = "client") -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON of an error."""
    return status, {"status_code": status, "exc": exc, "source": source}


JSON = "Content-Type: application/json"


def request(target: str | bytes, method: str = "GET", *headers: str, body: bytes = b"") -> bytes:
    """Return the bytes of a request, with a Content-Length if it has a body."""
    if isinstance(target, str):
        target = target.encode()
    if body:
        headers = (*headers, f"Content-Length: {len(body)}")
    head = "".join(f"{header}\r\n" for header in ("Host: test", *headers)).encode()
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + head + b"\r\n" + body


def connect(port: int, sent: bytes = b"", host: str = "127.0.0.1") -> socket.socket:
    """Open a connection and send these bytes."""
    connection = socket.create_connection((host.strip("[]"), port), timeout=PATIENCE)
    connection.sendall(sent)
    return connection


def receive(connection: socket.socket, method: str = "GET", asked: float | None = None) -> Reply:
    """Read one answer, with how long it took from `asked` on; behind it, nothing may have come yet."""
    asked = monotonic() if asked is None else asked
    with http.client.HTTPResponse(connection, method=method) as response:
        response.begin()
        return Reply(response.status, response.headers, response.read(), monotonic() - asked)


def call(
    port: int,
    target: str | bytes = "/",
    method: str = "GET",
    *headers: str,
    host: str = "127.0.0.1",
    body: bytes = b"",
) -> Reply:
    """Send one request on a new connection and return the answer."""
    asked = monotonic()  # before it is sent: a busy machine may answer before this goes on
    with connect(port, request(target, method, *headers, body=body), host) as connection:
        return receive(connection, method, asked)


def eventually(what: str, condition: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until the condition is true."""
    deadline = monotonic() + within
    while not condition():
        assert monotonic() < deadline, f"expected within {within:g} s: {what}"
        sleep(0.02)
