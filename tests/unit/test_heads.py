"""Quick reading of heads and http.client's own must not differ in anything."""

from http.client import HTTPException, HTTPResponse
from socket import socketpair
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from client.heads import QuickResponse

HEADERS = [
    b"Content-Length: 2",
    b"Content-Length: 3",
    b"content-length: 4 ",
    b"Content-Length: -1",
    b"Content-Length: 1_0",
    b"Content-Length:2",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip",
    b"Connection: close",
    b"Connection: keep-alive",
    b"connection: Upgrade, CLOSE",
    b"Retry-After: 1",
    b"Set-Cookie: a=b; c",
    b"Set-Cookie: d",
    b"X: \xe4",
    b"X:",
    b"X : y",
    b": z",
    b" folded: on",
    b"no colon",
    b"X: a: b",
    b"X: a\tb",
    b"X: a\rb",
    b"X: a\x00b",
]
STATUS_LINES = [
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 ",
    b"HTTP/1.1 200",
    b"HTTP/1.1 204 No Content",
    b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 503 Service Unavailable ",
    b"HTTP/1.1 503 \xe4",
    b"HTTP/1.1 099 Low",
    b"HTTP/1.1 600 High",
    b"HTTP/1.0 200 OK",
    b"HTTP/1.2 200 OK",
    b"HTTP/2 200 OK",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    b"ICY 200 OK",
]


def read(kind: type[HTTPResponse], data: bytes) -> Any:
    """All that the client could see of an answer."""
    ours, theirs = socketpair()
    with ours:
        with theirs:
            theirs.sendall(data)
        response = kind(ours, method="GET")
        try:
            response.begin()
            seen = [response.version, response.status, response.reason]
            seen += [response.headers.items(), response.msg.items(), repr(response.msg.defects)]
            seen += [response.length, response.chunked, response.will_close]
            return seen, response.read()
        except HTTPException as error:
            return repr(error)
        finally:
            response.close()


@settings(max_examples=500)
@given(
    st.sampled_from(STATUS_LINES[:3] * 4 + STATUS_LINES),
    st.lists(st.sampled_from(HEADERS), max_size=5),
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"]),
    st.sampled_from([b"", b"{}", b"{}{}", b"2\r\n{}\r\n0\r\n\r\n"]),
)
@example(STATUS_LINES[0], [*HEADERS[:1], b"Transfer-Encoding: chunked"], b"\r\n", b"2\r\n{}\r\n0\r\n\r\n")
def test_any_answer_is_read_as_http_client_reads_it(
    status_line: bytes, headers: list[bytes], end: bytes, body: bytes
) -> None:
    data = end.join([status_line, *headers, b"", body])

    assert read(QuickResponse, data) == read(HTTPResponse, data)


@given(st.binary(max_size=200))
def test_so_are_random_bytes(data: bytes) -> None:
    assert read(QuickResponse, data) == read(HTTPResponse, data)


def test_an_answer_of_gunicorn_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (
        b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\n"
        b"Connection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    usual = read(HTTPResponse, data)
    monkeypatch.delattr(HTTPResponse, "begin")

    assert read(QuickResponse, data) == usual
