"""HTTP calls over plain sockets, which send exactly the bytes that a test wrote."""

import http.client
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

# How long to wait for anything (seconds): long enough for two busy cores.
PATIENCE = 20.0


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float

    @property
    def answer(self) -> tuple[int, Any]:
        """The status and the decoded JSON."""
        assert self.headers["Content-Type"] == "application/json", self
        return self.status, json.loads(self.body)


def error(status: int, exc: str, source: str = "client") -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON of an error."""
    return status, {"status_code": status, "exc": exc, "source": source}


def request(target: str | bytes, method: str = "GET", *headers: str) -> bytes:
    """Return the bytes of a request without a body."""
    if isinstance(target, str):
        target = target.encode()
    head = "".join(f"{header}\r\n" for header in ("Host: test", *headers)).encode()
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + head + b"\r\n"


def connect(port: int, sent: bytes = b"", host: str = "127.0.0.1") -> socket.socket:
    """Open a connection and send these bytes."""
    connection = socket.create_connection((host.strip("[]"), port), timeout=PATIENCE)
    connection.sendall(sent)
    return connection


def receive(connection: socket.socket, method: str = "GET") -> Reply:
    """Read one answer."""
    start = monotonic()
    with http.client.HTTPResponse(connection, method=method) as response:
        response.begin()
        return Reply(response.status, response.headers, response.read(), monotonic() - start)


def call(
    port: int, target: str | bytes = "/", method: str = "GET", *headers: str, host: str = "127.0.0.1"
) -> Reply:
    """Send one request on a new connection and return the answer."""
    with connect(port, request(target, method, *headers), host) as connection:
        return receive(connection, method)


def eventually(what: str, condition: Callable[[], object], within: float = PATIENCE) -> None:
    """Wait until the condition is true."""
    deadline = monotonic() + within
    while not condition():
        assert monotonic() < deadline, f"expected within {within:g} s: {what}"
        sleep(0.02)
