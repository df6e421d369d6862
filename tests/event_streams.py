"""Server-sent events as a caller reads them and a backend sends them."""

import http.client
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.calls import connect, request

ACCEPT = "Accept: text/event-stream"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
COMMENT = (":", None)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(content: Any, name: str = "") -> bytes:
    """Return an event as a chunk of an answer."""
    line = f"event: {name}\n" if name else ""
    return chunk(f"{line}data: {json.dumps(content)}\n\n".encode())


@contextmanager
def reading(
    port: int, target: str, method: str = "GET", *headers: str, body: bytes = b""
) -> Iterator[tuple[http.client.HTTPResponse, Iterator[tuple[str, Any]]]]:
    """Ask for events; yield the answer, whose head has been read, and its events as they arrive."""
    with connect(port, request(target, method, ACCEPT, *headers, body=body)) as connection:
        yield read(connection, method)


def read(
    connection: socket.socket, method: str = "GET"
) -> tuple[http.client.HTTPResponse, Iterator[tuple[str, Any]]]:
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response, events(response)


def events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """Return the name and the content of each event, and COMMENT for a comment."""
    with response:
        name = ""
        while line := response.readline():
            field, _, value = line.decode().rstrip("\n").partition(":")
            if field == "event":
                name = value.strip()
            elif field == "data":
                content = json.loads(value)
                if name == "failed":
                    assert re.fullmatch("[0-9a-f]{32}", content.pop("trace_id"))
                yield name, content
                name = ""
            elif value or line == b":\n":
                yield COMMENT
