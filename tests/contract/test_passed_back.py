"""What a caller gets of the backend's answer besides its JSON: status, headers, and answers without JSON."""

import socket

import pytest

from tests.calls import JSON, error
from tests.processes import Service
from tests.scripted_backend import HELLO, ScriptedBackend, answer, as_json, sends, sends_and_stays

HELLO_CLIENT = {"status_code": 200, "message": "hello", "source": "client"}


@pytest.mark.parametrize("status", [200, 201, 202, 299, 400, 404, 409, 412, 429, 500, 503])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_status_passes_for_every_method(
    client: Service, upstream: ScriptedBackend, method: str, status: int
) -> None:
    target = upstream.will(sends(as_json(status, {"exc": "so it is", "source": "backend"})))

    assert client.call(target, method).answer == error(status, "so it is")
    assert len(upstream.seen(target)) == 1


@pytest.mark.parametrize("status", [200, 404, 503])
def test_an_answer_to_head_has_a_status_and_headers_only(
    client: Service, upstream: ScriptedBackend, status: int
) -> None:
    sent = (
        as_json(status, {"exc": "no"}, 'ETag: "a"', "Retry-After: 7").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    )
    target = upstream.will(sends_and_stays(sent))

    replies = [client.call(target, "HEAD") for _ in range(3)]

    for reply in replies:
        assert (reply.status, reply.body) == (status, b"")
        assert (reply.headers["ETag"], reply.headers["Retry-After"]) == ('"a"', "7")
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["Content-Length"] is None, "the backend's is not that of the client's JSON"
    assert len(set(upstream.connections_of(target))) <= 2, "expected no more than one to expire"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_content_passes(
    client: Service, upstream: ScriptedBackend, method: str, status: int
) -> None:
    target = upstream.will(sends_and_stays(f'HTTP/1.1 {status} Fine\r\nETag: W/"b"\r\n\r\n'.encode()))

    replies = [client.call(target, method, 'If-None-Match: W/"b"') for _ in range(3)]

    assert [(reply.status, reply.body, reply.headers["ETag"]) for reply in replies] == [
        (status, b"", 'W/"b"')
    ] * 3
    assert len(set(upstream.connections_of(target))) <= 2, "expected no more than one to expire"


@pytest.mark.parametrize(
    ("name", "sent", "passed"),
    [
        ("ETag", '"abc"', '"abc"'),
        ("ETag", 'W/"a!#-~"', 'W/"a!#-~"'),
        ("ETag", '""', '""'),
        ("ETag", "abc", None),
        ("ETag", '"a"b"', None),
        ("ETag", '"a", "b"', None),
        ("ETag", 'w/"a"', None),
        ("ETag", '"a b"', None),
        ("ETag", '"\xe4"', None),
        ("ETag", '"' + "x" * 201 + '"', None),
        ("Allow", "GET, HEAD", "GET, HEAD"),
        ("Allow", "GET,POST", "GET,POST"),
        ("Allow", "get", None),
        ("Allow", "GET; POST", None),
        ("Allow", "GET, " * 21 + "PUT", None),
        ("Location", "/orders/7", "/orders/7"),
        ("Location", "/orders/a%2fb?c=[d]", "/orders/a%2fb?c=%5Bd%5D"),
        ("Location", "/", "/"),
        ("Location", "7", "/a/7"),
        ("Location", "../b", "/b"),
        ("Location", "?x=y", "/a/b?x=y"),
        ("Location", "http://127.0.0.1:{port}/orders/7", "/orders/7"),
        ("Location", "HTTP://127.0.0.1:{port}/", "/"),
        ("Location", "http://127.0.0.1:{port}", None),
        ("Location", "https://127.0.0.1:{port}/orders/7", None),
        ("Location", "http://127.0.0.1/orders/7", None),
        ("Location", "http://127.0.0.1:{port}@evil.example/a", None),
        ("Location", "http://me@127.0.0.1:{port}/a", "/a"),
        ("Location", "http://evil.example/orders/7", None),
        ("Location", "//evil.example/orders/7", None),
        ("Location", "http://127.0.0.1:{port}//evil.example/", None),
        ("Location", "/%2e%2e/a", None),
        ("Location", "/%2fevil.example", None),
        ("Location", "/\\evil.example", None),
        ("Location", "\\\\evil.example", None),
        ("Location", "/healthz", None),
        ("Location", "javascript:alert(1)", None),
        ("Location", "/a b", None),
        ("Location", "/\xe4", None),
        ("Location", "http://[/", None),
        ("Location", "http://127.0.0.1:99999/", None),
        ("Location", "/" + "x" * 8192, None),
        ("Location", "/a?" + "x" * 8190, None),
    ],
    ids=lambda each: str(each)[:50],
)
def test_only_a_header_that_is_what_it_should_be_passes(
    client: Service, upstream: ScriptedBackend, name: str, sent: str, passed: str | None
) -> None:
    header = f"{name}: {sent.format(port=upstream.port)}".encode("latin-1")
    target = upstream.will(
        sends_and_stays(b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n" + header + b"\r\n\r\n{}")
    )

    reply = client.call(f"/a/b{target[1:]}", "POST")

    assert reply.answer == (201, {"status_code": 201, "source": "client"})
    assert reply.headers[name] == passed
    assert str(upstream.port) not in str(reply.headers)


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ("/api/v1/orders/7", "/orders/7"),
        ("http://localhost:{port}/api/v1/orders/7", "/orders/7"),
        ("/api/v1/", "/"),
        ("/api/v1/../v2/a", None),
        ("/api/v12/a", None),
        ("/api/v1", None),
        ("/orders/7", None),
        ("/api/v1//evil.example", None),
    ],
)
def test_a_location_is_below_the_base_path(
    client_of_a_base_path: Service, upstream: ScriptedBackend, sent: str, passed: str | None
) -> None:
    target = upstream.will(sends(as_json(201, {}, f"Location: {sent.format(port=upstream.port)}")))

    assert client_of_a_base_path.call(target, "POST").headers["Location"] == passed


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308, 399])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_redirect_is_a_502(client: Service, upstream: ScriptedBackend, method: str, status: int) -> None:
    target = upstream.will(sends(answer(status, b"", "Location: /")))

    reply = client.call(target, method)

    assert (reply.status, reply.headers["Location"]) == (502, None)
    assert len(upstream.seen(target)) == 1


def closes_as_stale(connection: socket.socket) -> None:
    """Close at the request, as a server does that closed the idle connection a moment before it."""
    connection.close()


BROKEN_OFF = "backend broke off its answer"
NOT_JSON = "backend's answer is not JSON"


@pytest.mark.parametrize(
    "sent", [b"", HELLO[:40], HELLO[:-10]], ids=["nothing", "half a head", "half a body"]
)
@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_idempotent_call_is_made_again_where_its_answer_breaks_off(
    client: Service, upstream: ScriptedBackend, method: str, sent: bytes
) -> None:
    target = upstream.will(sends(sent), sends(HELLO))

    assert client.call(target, method, JSON, body=b"[1]").answer == (200, HELLO_CLIENT)
    assert upstream.sent(target) == [b"[1]", b"[1]"]


@pytest.mark.parametrize(
    "sent", [b"", HELLO[:40], HELLO[:-10]], ids=["nothing", "half a head", "half a body"]
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_another_call_is_not_made_again_once_it_was_sent(
    client: Service, upstream: ScriptedBackend, method: str, sent: bytes
) -> None:
    target = upstream.will(sends(sent), sends(HELLO))

    reply = client.call(target, method, JSON, body=b"[1]")

    assert reply.answer == error(502, f"{BROKEN_OFF}; the {method} may have been executed")
    assert upstream.sent(target) == [b"[1]"]


@pytest.mark.parametrize(
    ("sent", "status", "exc"),
    [
        (answer(200, b"no JSON"), 502, NOT_JSON),
        (b"SSH-2.0-OpenSSH_9.9\r\n", 502, "backend's answer is not readable"),
        (answer(302, b""), 502, "backend redirected instead of answering"),
    ],
)
def test_an_unusable_answer_to_a_post_says_that_it_may_have_been_executed(
    client: Service, upstream: ScriptedBackend, sent: bytes, status: int, exc: str
) -> None:
    post, put = (upstream.will(sends(sent)) for _ in range(2))

    assert client.call(post, "POST").answer == error(status, f"{exc}; the POST may have been executed")
    assert client.call(put, "PUT").answer == error(status, exc)


def test_a_late_answer_to_a_post_says_that_it_may_have_been_executed(
    impatient: Service, upstream: ScriptedBackend
) -> None:
    target = upstream.will(lambda connection: connection.recv(1))

    assert impatient.call(target, "POST").answer == error(
        504, "backend did not answer within 1.5 s; the POST may have been executed"
    )
    assert len(upstream.seen(target)) == 1


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("size", [100, 1_048_576])
def test_an_answer_that_comes_before_the_body_was_read_passes(
    client: Service, upstream: ScriptedBackend, size: int, method: str
) -> None:
    too_large = as_json(413, {"exc": "too large"}, "Connection: close")  # as what does not read a body must
    target = upstream.will(sends(too_large), reads_bodies=False)

    for _ in range(5):
        reply = client.call(target, method, JSON, body=b'"' + b"x" * (size - 2) + b'"')
        assert reply.answer == error(413, "too large")

    assert len(upstream.seen(target)) == 5
