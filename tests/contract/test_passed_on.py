"""What the backend gets of a request: method, path, headers and body; and what is refused instead."""

import re
import socket
from urllib.parse import unquote_to_bytes

import pytest

from client.forwarding import HEADERS, MAX_PATH_BYTES
from common.contract import RESERVED_PATHS
from common.version import VERSION
from tests.calls import JSON, connect, error, receive, request
from tests.conftest import Start
from tests.hostile.answers import received
from tests.processes import Service
from tests.scripted_backend import HELLO, ScriptedBackend, as_json, sends, sends_and_stays

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
WITH_BODY = METHODS[2:]
LIMIT = 1_048_576  # MAX_REQUEST_BYTES by default
NOT_JSON = "body that is not JSON; allowed: JSON in UTF-8, without NaN and Infinity"
TOO_LARGE = f"body too large; allowed: {LIMIT} bytes"
UNKNOWN = "body of type {!r}; allowed: application/json, not encoded"
TOO_DEEP = "body that is nested too deeply; allowed: 100 levels"


def lines_seen(upstream: ScriptedBackend, target: str) -> list[bytes]:
    """Return the lines of the only request for a target."""
    (head,) = upstream.seen(target)
    return head.removesuffix(b"\r\n\r\n").split(b"\r\n")


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_passed_on(client: Service, upstream: ScriptedBackend, method: str) -> None:
    target = upstream.will(sends(HELLO))

    reply = client.call(f"/orders/7{target[1:]}", method)

    assert reply.status == 200
    assert lines_seen(upstream, target)[0] == f"{method} /orders/7{target[1:]} HTTP/1.1".encode()
    assert (reply.body == b"") == (method == "HEAD")


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "BREW"])
@pytest.mark.parametrize("path", ["/", "/orders"])
def test_another_method_is_a_405_that_names_the_allowed_ones(
    client: Service, upstream: ScriptedBackend, path: str, method: str
) -> None:
    target = upstream.will(sends(HELLO))

    reply = client.call(path + target[1:], method)

    allowed = ", ".join(sorted(METHODS))
    assert reply.answer == error(405, f"method not allowed; allowed: {allowed}")
    assert sorted(reply.headers["Allow"].split(", ")) == sorted(METHODS)
    assert upstream.seen(target) == []


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("/a//b///", "/a//b///"),
        ("/%61%2fb/%C3%a4%20+", "/%61%2fb/%C3%a4%20+"),
        ("/a;b=c/@:!$&'()*+,=~-._", "/a;b=c/@:!$&'()*+,=~-._"),
        ('/[a]{b}|"<>^`', "/%5Ba%5D%7Bb%7D%7C%22%3C%3E%5E%60"),
        ("/ä", "/%C3%A4"),
        ("/100%25", "/100%25"),
        ("/a%2541", "/a%2541"),
        ("/...", "/..."),
        ("/.well-known/a", "/.well-known/a"),
        ("/http://evil.example/", "/http://evil.example/"),
        ("/@evil.example:80", "/@evil.example:80"),
        ("/healthz/a", "/healthz/a"),
        ("/a/healthz", "/a/healthz"),
        ("/HEALTHZ", "/HEALTHZ"),
        ("http://evil.example/a%2fb", "/a%2fb"),
        ("http://evil.example", "/"),
    ],
)
def test_a_path_is_passed_on_as_it_was_sent(
    client: Service, upstream: ScriptedBackend, sent: str, seen: str
) -> None:
    target = upstream.will(sends(HELLO))

    assert client.call(sent + target[1:]).status == 200
    start, host, *_ = lines_seen(upstream, target)
    assert start == f"GET {seen}{target[1:]} HTTP/1.1".encode()
    assert host == f"Host: 127.0.0.1:{upstream.port}".encode()
    path = sent.removeprefix("http://evil.example") or "/"
    assert unquote_to_bytes(seen) == unquote_to_bytes(path), "the table itself must be right"


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/..", 400, "segment . or .."),
        ("/../a", 400, "segment . or .."),
        ("/a/../../b", 400, "segment . or .."),
        ("/.", 400, "segment . or .."),
        ("/a/./b", 400, "segment . or .."),
        ("/%2e%2E/a", 400, "segment . or .."),
        ("/.%2e/a", 400, "segment . or .."),
        ("/a%2f..%2fb", 400, "segment . or .."),
        ("/%252e%252e/a", 400, "segment . or .."),
        ("/%25252e", 400, "segment . or .."),
        ("/%2525252e", 400, "encoded several times"),
        ("/..;a=b/c", 400, "segment . or .."),
        ("/%2e%2e%3b/c", 400, "segment . or .."),
        ("/%c0%ae%c0%ae/a", 400, "not UTF-8"),
        ("/%ff", 400, "not UTF-8"),
        ("/..\\a", 400, "backslash"),
        ("/a\\b", 400, "backslash"),
        ("/a%5cb", 400, "backslash"),
        ("/a%255Cb", 400, "backslash"),
        ("/%00", 400, "control character"),
        ("/a%09b", 400, "control character"),
        ("/a%0d%0aX-Evil:%201", 404, ""),
        ("//evil.example/a", 400, "two slashes"),
        ("///a", 400, "two slashes"),
        ("/%2fevil.example", 400, "one slash"),
        ("/%252fevil.example", 400, "one slash"),
        ("http://evil.example//a", 400, "two slashes"),
        ("/%", 400, "encodes nothing"),
        ("/100%/a", 400, "encodes nothing"),
        ("/%zz", 400, "encodes nothing"),
        ("/%u002e", 400, "encodes nothing"),
        ("/" + "a" * MAX_PATH_BYTES, 414, f"allowed: {MAX_PATH_BYTES}"),
        ("/" + "[" * (MAX_PATH_BYTES // 3 + 1), 414, f"allowed: {MAX_PATH_BYTES}"),
    ],
)
def test_a_path_that_could_mean_another_is_refused(
    client: Service, upstream: ScriptedBackend, path: str, status: int, why: str
) -> None:
    target = upstream.will(sends(HELLO))

    reply = client.call(path + target[1:])

    assert reply.status == status
    assert why in reply.answer[1]["exc"]
    assert upstream.seen(target) == []


def test_the_longest_path_arrives(client: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(sends(HELLO))

    assert client.call("/" + "a" * (MAX_PATH_BYTES - 1) + target[1:]).status == 200
    assert len(upstream.seen(target)) == 1


SPELLINGS = [
    "{0}",
    "{0}/",
    "{0}//",
    "/{0}",
    "//{0}",
    "/%2f{0}",
    "{0}%2f",
    "{0};a=b",
    "/;{0}",
    "{1}",
    "{2}",
    "http://evil.example{0}",
    "http://evil.example/{0}",
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("path", RESERVED_PATHS)
def test_a_reserved_path_is_never_passed_on(
    client: Service, upstream: ScriptedBackend, path: str, spelling: str, method: str
) -> None:
    target = upstream.will(sends(HELLO))
    upstream.behaviours[b""] = (sends(as_json(200, {"openapi": "3.1.0", "paths": {}})),)
    once = "/" + "".join(f"%{ord(letter):02x}" for letter in path[1:])
    sent = spelling.format(path, once, once.replace("%", "%25"))

    reply = client.call(sent + target[1:], method)

    status, content = reply.answer
    own = content.get("message") in ("healthy", "ready", f"client {VERSION}") or "openapi" in content
    assert status in (200, 400, 404, 405)
    assert (status == 405) == (reply.headers["Allow"] == "GET, HEAD")
    assert (status == 200) == own
    assert upstream.seen(target) == []


def test_a_path_cannot_leave_the_base_path(client_of_a_base_path: Service, upstream: ScriptedBackend) -> None:
    client = client_of_a_base_path
    inside, outside = upstream.will(sends_and_stays(HELLO)), upstream.will(sends_and_stays(HELLO))

    for path in ("/", "/a", "/a/b%2fc", "/api", "/@evil", "/:80"):
        assert client.call(path + inside[1:]).status == 200
    for path in ("/..", "/../x", "/%2e%2e/x", "/%2e%2e%2fx", "/..%5cx", "//x", "/.", "/..;/x", "/%252e%252e"):
        assert client.call(path + outside[1:]).status == 400

    assert all(
        re.match(rb"GET /api/v1/[^ ]* HTTP/1.1\r\nHost: localhost:", head) for head in upstream.seen(inside)
    )
    assert (len(upstream.seen(inside)), upstream.seen(outside)) == (6, [])


def test_the_listed_headers_are_passed_on_and_nothing_else(
    client: Service, upstream: ScriptedBackend
) -> None:
    target = upstream.will(sends(HELLO))
    traced = {"traceparent", "tracestate"}
    listed = {
        f"{name}: {number} x=y; ä".encode() for number, name in enumerate(HEADERS) if name not in traced
    }
    others = ["X-Other: 1", "X-Request-Id2: 1", "X_Request_ID: 2", "If-Modified-Since: 3", "If-Range: 4"]

    client.call(target, "GET", *(line.decode() for line in listed), *others)

    _, *lines = lines_seen(upstream, target)
    assert {line for line in lines if not line.startswith(b"traceparent: 00-")} == listed | {
        b"Accept: application/json",
        b"Accept-Encoding: gzip",
        b"User-Agent: client",
        f"Host: 127.0.0.1:{upstream.port}".encode(),
    }
    assert len(lines) == 11


def test_a_repeated_header_is_passed_on_as_one(client: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(sends(HELLO))

    client.call(target, "GET", "If-Match: x", "If-None-Match: y", "if-match: z")

    lines = lines_seen(upstream, target)
    assert [line for line in lines if line.startswith(b"If-Match")] == [b"If-Match: x,z"]


@pytest.mark.parametrize("method", WITH_BODY)
@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1}',
        b' [1, {"a": null}]\r\n',
        '"ä🐍"'.encode(),
        b'"\\ud800"',
        b"1e300",
        b"0",
        b"[" * 100 + b"]" * 100,
        b'"' + b"[" * 1000 + b'"',
        b"[" + b"[]," * 1000 + b"{}]",
        b'"' + b"x" * (LIMIT - 2) + b'"',
    ],
    ids=lambda body: str(body[:12]),
)
def test_a_json_body_is_passed_on_byte_for_byte(
    client: Service, upstream: ScriptedBackend, method: str, body: bytes
) -> None:
    target = upstream.will(sends(HELLO))

    reply = client.call(target, method, "Content-Type: application/json; charset=utf-8", body=body)

    assert reply.status == 200
    assert upstream.sent(target) == [body]
    lines = lines_seen(upstream, target)
    assert b"Content-Type: application/json" in lines
    assert f"Content-Length: {len(body)}".encode() in lines
    assert len(lines) == 8


def test_a_chunked_body_is_passed_on_with_its_length(client: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(sends(HELLO))
    chunks = b'3;a=b\r\n{"a\r\n5\r\n": 1}\r\n0\r\nX-Trailer: 1\r\n\r\n'

    sent = request(target, "POST", JSON, "Transfer-Encoding: chunked") + chunks
    with connect(client.port, sent) as connection:
        assert receive(connection).status == 200

    assert upstream.sent(target) == [b'{"a": 1}']
    assert b"Content-Length: 8" in lines_seen(upstream, target)
    assert not any(b"railer" in line or b"ncoding: chunked" in line for line in lines_seen(upstream, target))


@pytest.mark.parametrize("method", WITH_BODY)
@pytest.mark.parametrize("header", ["X: y", "Content-Length: 0", "Content-Type: text/html"])
def test_a_request_without_a_body_is_passed_on(
    client: Service, upstream: ScriptedBackend, method: str, header: str
) -> None:
    target = upstream.will(sends(HELLO))

    assert client.call(target, method, header).status == 200
    lines = lines_seen(upstream, target)
    assert (b"Content-Length: 0" in lines) == (method != "DELETE")
    assert not any(line.startswith(b"Content-Type") for line in lines)


@pytest.mark.parametrize(
    ("headers", "body", "refusal"),
    [
        ([], b"{}", (415, UNKNOWN.format(""))),
        (["Content-Type: text/plain"], b"{}", (415, UNKNOWN.format("text/plain"))),
        (["Content-Type: application/a+json"], b"{}", (415, UNKNOWN.format("application/a+json"))),
        (["Content-Type: text/html; charset=utf-8"], b"a=b", (415, UNKNOWN.format("text/html"))),
        (["Content-Type: application/jsonp"], b"{}", (415, UNKNOWN.format("application/jsonp"))),
        (["Content-Type: " + "x" * 8000], b"{}", (415, UNKNOWN.format("x" * 100))),
        ([JSON, "Content-Encoding: gzip"], b"{}", (415, UNKNOWN.format("application/json gzip"))),
        ([JSON], b"x" * (LIMIT + 1), (413, TOO_LARGE)),
        ([JSON], b"x" * (LIMIT + 5_000_000), (413, TOO_LARGE)),
        ([JSON], b"{", (400, NOT_JSON)),
        ([JSON], b"{'a': 1}", (400, NOT_JSON)),
        ([JSON], b"{} {}", (400, NOT_JSON)),
        ([JSON], b"\xff", (400, NOT_JSON)),
        ([JSON], b'\xef\xbb\xbf{"a": 1}', (400, NOT_JSON)),
        ([JSON], '{"a": 1}'.encode("utf-16"), (400, NOT_JSON)),
        ([JSON], b"[NaN]", (400, NOT_JSON)),
        ([JSON], b"-Infinity", (400, NOT_JSON)),
        ([JSON], b"1e999", (400, NOT_JSON)),
        ([JSON], b"9" * 5000, (400, NOT_JSON)),
        ([JSON], b" ", (400, NOT_JSON)),
        ([JSON], b"[" * 101 + b"]" * 101, (400, TOO_DEEP)),
        ([JSON], b'[{"a":' * 51 + b"1" + b"}]" * 51, (400, TOO_DEEP)),
        ([JSON], b"[" * 100_000, (400, TOO_DEEP)),
        ([JSON], b'{"a":' * 100_000, (400, TOO_DEEP)),
    ],
    ids=lambda each: str(each)[:40],
)  # fmt: skip
def test_a_body_that_the_backend_could_not_take_is_refused(
    client: Service, upstream: ScriptedBackend, headers: list[str], body: bytes, refusal: tuple[int, str]
) -> None:
    target = upstream.will(sends(HELLO))

    assert client.call(target, "POST", *headers, body=body).answer == error(*refusal)
    assert upstream.seen(target) == []


def test_too_large_a_body_is_refused_before_it_comes(client: Service) -> None:
    with connect(client.port, request("/", "POST", JSON, f"Content-Length: {LIMIT + 1}")) as connection:
        assert receive(connection).answer == error(413, TOO_LARGE)


def test_too_large_a_chunked_body_is_a_413(client: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(sends(HELLO))
    chunks = b"10000\r\n%b\r\n" % (b" " * 65_536) * 17 + b"0\r\n\r\n"

    with connect(
        client.port, request(target, "PUT", JSON, "Transfer-Encoding: chunked") + chunks
    ) as connection:
        assert receive(connection).answer == error(413, TOO_LARGE)

    assert upstream.seen(target) == []


@pytest.mark.parametrize(
    ("header", "body", "exc"),
    [
        ("Content-Length: 5", b"", "body of 0 bytes; allowed: 5, as its Content-Length says"),
        ("Content-Length: 5", b"[1]", "body of 3 bytes; allowed: 5, as its Content-Length says"),
        (
            "Transfer-Encoding: chunked",
            b"3\r\n[1]",
            "malformed body; allowed: Content-Length bytes, or chunks",
        ),
        ("Transfer-Encoding: chunked", b"", "malformed body; allowed: Content-Length bytes, or chunks"),
        ("Transfer-Encoding: chunked", b"zz\r\n", "malformed body; allowed: Content-Length bytes, or chunks"),
        (
            "Transfer-Encoding: chunked",
            b"1\r\n12\r\n",
            "malformed body; allowed: Content-Length bytes, or chunks",
        ),
    ],
)
def test_a_body_that_is_not_as_announced_is_a_400(
    client: Service, upstream: ScriptedBackend, header: str, body: bytes, exc: str
) -> None:
    target = upstream.will(sends(HELLO))

    with connect(client.port, request(target, "POST", JSON, header) + body) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert receive(connection).answer == error(400, exc)

    assert upstream.seen(target) == []


def test_what_follows_a_malformed_body_is_not_read_as_a_request(
    client: Service, upstream: ScriptedBackend
) -> None:
    target, smuggled = upstream.will(sends(HELLO)), upstream.will(sends(HELLO))
    body = b"zz\r\n" + request(smuggled)

    with connect(
        client.port, request(target, "POST", JSON, "Transfer-Encoding: chunked") + body
    ) as connection:
        assert receive(connection).status == 400
        assert connection.recv(1) == b""

    assert upstream.seen(smuggled) == []


@pytest.mark.parametrize("body", [b"{}", b"no JSON"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_body_that_a_method_does_not_have_is_skipped(
    client: Service, upstream: ScriptedBackend, method: str, body: bytes
) -> None:
    target = upstream.will(sends_and_stays(HELLO))
    last = request(target, method, "Connection: close")

    with connect(client.port, request(target, method, body=body) + last) as connection:
        assert re.findall(rb"HTTP/1\.1 (\d+)", received(connection)) == [b"200", b"200"]

    assert all(b"Content-Length" not in head for head in upstream.seen(target))
    assert upstream.sent(target) == [b"", b""]


def test_a_smaller_limit_is_kept(start: Start, upstream: ScriptedBackend) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", MAX_REQUEST_BYTES="10")
    target = upstream.will(sends_and_stays(HELLO))

    assert client.call(target, "POST", JSON, body=b"1234567890").status == 200
    assert client.call(target, "POST", JSON, body=b"12345678901").answer == error(
        413, "body too large; allowed: 10 bytes"
    )
