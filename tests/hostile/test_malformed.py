"""Malformed requests, and requests that two servers might read differently."""

import pytest

from common.contract import MAX_QUERY_BYTES
from tests.calls import connect, error, receive
from tests.hostile.answers import statuses
from tests.processes import Service

HOST = b"Host: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
NEXT = b"GET /healthz/ HTTP/1.1\r\nHost: a\r\n\r\n"  # answered with a 404 if it is read as a request


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"", 400),
        (b" ", 400),
        (b"GET", 400),
        (b"GET /", 400),
        (b"GET / ", 400),
        (b"GET / HTTP", 400),
        (b"GET / HTTP/0.9", 400),
        (b"GET / HTTP/1.10", 400),
        (b"GET / HTTP/2.0", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"GET / http/1.1", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET\t/\tHTTP/1.1", 400),
        (b" GET / HTTP/1.1", 400),
        (b"get / HTTP/1.1", 400),
        (b"G\0T / HTTP/1.1", 400),
        (b"G" * 21 + b" / HTTP/1.1", 400),
        (b"PRI * HTTP/2.0", 400),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 400),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1", 400),
        (b"GET /version/\xc3\xa4/.. HTTP/1.1", {"backend": 404, "client": 400}),
        (b"GET /\xff HTTP/1.1", {"backend": 404, "client": 400}),
        (b"G\xc3\x96T / HTTP/1.1", 400),
        (b"GET / HTTP/1.1\xff", 400),
        (b"GET /" + b"\xff" * (2 * MAX_QUERY_BYTES // 3) + b" HTTP/1.1", 414),
        (b"GET / /x HTTP/1.1", 400),
        (b"GET /" + b"x" * 2 * MAX_QUERY_BYTES + b" HTTP/1.1", 414),
        (b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1", 414),
        (b"GET /" + b"x" * MAX_QUERY_BYTES + b" HTTP/1.1", {"backend": 404, "client": 414}),
        (b"BREW / HTTP/1.1", 405),
        (b"TRACE / HTTP/1.1", 405),
    ],
)
def test_request_lines_are_parsed_strictly(
    service: Service, line: bytes, status: int | dict[str, int]
) -> None:
    expected = status[service.name] if isinstance(status, dict) else status
    assert statuses(service, line + b"\r\n" + HOST + b"Connection: close\r\n\r\n") == [expected]


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"no colon", 400),
        (b": no name", 400),
        (b"Space : 1", 400),
        (b"Tab\t: 1", 400),
        (b" Folded: 1", 400),
        (b"X: 1\r\n folded", 400),
        (b"X: 1\r\n\tfolded", 400),
        (b"N\0ul: 1", 400),
        (b"X: n\0ul", 400),
        (b"X: bare\rCR", 400),
        (b"X: bare\nLF: 1", 400),
        (b"X\xe9: 1", 400),
        (b"Host: b", 400),
        (b"Content-Type: a\r\nContent-Type: b", 400),
        (b"Expect: miracles", 417),
        (b"X: " + b"x" * 8190, 431),
        (b"X: " + b"x" * 1_000_000, 431),
        (b"\r\n".join([b"X: 1"] * 101), 431),
        (b"\r\n".join([b"X: " + b"x" * 1000] * 90), 431),
        (b"X: " + b"x" * 8000, 200),
        (b"\r\n".join([b"X: 1"] * 90), 200),
        (b"X: \xff\xfe", 200),
        (b"Script_Name: /x\r\nPath_Info: /y\r\nX_Forwarded_For: z", 200),
        (b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off", 200),
        (b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", 200),
    ],
)
def test_headers_are_parsed_strictly(service: Service, header: bytes, status: int) -> None:
    sent = b"GET / HTTP/1.1\r\n" + HOST + header + b"\r\nConnection: close\r\n\r\n"

    assert statuses(service, sent) == [status]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
        (b"Content-Length: 5\r\nContent-Length: 6", 400),
        (b"Content-Length: 5\r\nContent-Length: 5", 400),
        (b"Content-Length: 5, 5", 400),
        (b"Content-Length: +5", 400),
        (b"Content-Length: -5", 400),
        (b"Content-Length: 0x5", 400),
        (b"Content-Length: 5 5", 400),
        (b"Content-Length: 5;", 400),
        (b"Content-Length: \xb2", 400),
        (b"Content-Length:", 400),
        (b"Content-Length : 5", 400),
        (b"Content-Length: 5\n", 400),
        (b"Content-Length\n: 5", 400),
        (b"Transfer-Encoding : chunked", 400),
        (b"Transfer-Encoding\t: chunked", 400),
        (b"Transfer-Encoding:\r\n chunked", 400),
        (b"X: 1\nTransfer-Encoding: chunked", 400),
        (b"X: 1\rTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: chunked, chunked", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
        (b"Transfer-Encoding: chunked, gzip", 400),
        (b"Transfer-Encoding: identity", 400),
        (b"Transfer-Encoding: gzip", 400),
        (b"Transfer-Encoding: \x0bchunked", 400),
        (b"Transfer-Encoding: xchunked", 501),
        (b"Transfer-Encoding: chunked;a=b", 501),
        (b"Transfer-Encoding: chunked,", 501),
        (b'Transfer-Encoding: "chunked"', 501),
        (b"Transfer-Encoding:", 501),
    ],
)
def test_an_ambiguous_body_length_closes_the_connection(
    service: Service, headers: bytes, status: int
) -> None:
    sent = b"GET / HTTP/1.1\r\n" + HOST + headers + b"\r\n\r\n0\r\n\r\n" + NEXT

    assert statuses(service, sent) == [status]


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\n\r\n",
        b"-1\r\n\r\n",
        b"0x0\r\n\r\n",
        b"+0\r\n\r\n",
        b" 0\r\n\r\n",
        b"\r\n\r\n",
        b"0\n\n",
        b"0;a\n=b\r\n\r\n",
        b"0;a\r=b\r\n\r\n",
        b"2\r\nabcd\r\n0\r\n\r\n",
        b"2\r\nab0\r\n\r\n",
        b"f" * 4000 + b"\r\n",
        b"1" * 100_000,
        b"0;" + b"a" * 100_000,
        b"0\r\nHost: b\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n" + b"X: 1\r\n" * 100_000,
        b"0\r\nX: 1\n\r\n",
        b"5\r\nab",
        b"0\r\n",
    ],
    ids=lambda body: str(body[:20]),
)
def test_a_malformed_chunk_closes_the_connection_after_one_answer(service: Service, body: bytes) -> None:
    sent = b"GET / HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n" + body + NEXT

    assert statuses(service, sent, half_close="after an answer") == [200]


@pytest.mark.parametrize(
    "framed",
    [
        b"Content-Length: %d\r\n\r\n%s" % (len(NEXT), NEXT),
        CHUNKED + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(NEXT), NEXT),
        CHUNKED + b"\r\n" + b"1;a=b\r\nG\r\n" * 10_000 + b"0\r\nX: 1\r\n\r\n",
        b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%s" % (len(NEXT), NEXT),
    ],
    ids=["length", "chunk", "10,000 chunks", "expect"],
)
def test_a_body_is_skipped_and_the_request_after_it_is_answered(service: Service, framed: bytes) -> None:
    last = NEXT.replace(HOST, HOST + b"Connection: close\r\n")
    assert statuses(service, b"GET / HTTP/1.1\r\n" + HOST + framed + last) == [200, 404]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_bytes_after_connection_close_are_not_read_as_a_request(service: Service, version: bytes) -> None:
    sent = b"GET / HTTP/" + version + b"\r\n" + HOST + b"Connection: close\r\n\r\n" + NEXT

    assert statuses(service, sent) == [200]


@pytest.mark.parametrize(
    "sent", [b"", b"\r\n", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n"]
)
def test_an_incomplete_request_has_no_answer(service: Service, sent: bytes) -> None:
    assert statuses(service, sent, half_close="at once") == []


@pytest.mark.parametrize(
    ("sent", "status", "exc"),
    [
        (b"GET /", 400, "malformed request line 'GET /'; allowed: METHOD /path?query HTTP/1.1"),
        (b"get / HTTP/1.1", 400, "malformed method 'get'; allowed: 3 to 20 capital letters"),
        (b"GET / HTTP/2.0", 400, "unknown version (2, 0); allowed: HTTP/1.0 and HTTP/1.1"),
        (b"GET / HTTP/1.1\r\na\x85b", 400, "malformed or repeated header 'a\\x85b'; allowed: name: value"),
        (
            b"GET / HTTP/1.1\r\nHost:a\r\nHost:b",
            400,
            "malformed or repeated header 'HOST'; allowed: name: value",
        ),
        (b"GET / HTTP/1.1\r\nExpect: 1", 417, "unknown expectation '1'; allowed: 100-continue"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: x", 501, "unknown transfer coding 'x'; allowed: chunked"),
        (b"GET /" + b"x" * 120_000, 414, "request line too long; allowed: 120000 bytes"),
        (
            b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000,
            431,
            "headers too large; allowed: 100 of 8190 bytes each, 16384 bytes together",
        ),
        (
            b"x" * 1000,
            400,
            f"malformed request line '{'x' * 198}…; allowed: METHOD /path?query HTTP/1.1",
        ),
    ],
    ids=range(10),
)
def test_a_refusal_says_in_json_what_is_wrong_and_what_is_allowed(
    service: Service, sent: bytes, status: int, exc: str
) -> None:
    with connect(service.port, sent + b"\r\n\r\n") as connection:
        reply = receive(connection)

    assert reply.answer == error(status, exc, service.name)
    assert reply.headers["Connection"] == "close"


def test_a_bare_lf_is_refused_before_the_head_ends(service: Service) -> None:
    with connect(service.port, b"GET / HTTP/1.1\nHost: a\n\n") as connection:
        assert receive(connection).status == 400
