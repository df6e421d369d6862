"""Whatever the backend answers: the client's status and JSON."""

import gzip
import socket
import zlib

import pytest

from tests.calls import error
from tests.processes import Service
from tests.scripted_backend import HELLO, ScriptedBackend, answer, as_json, sends

LARGE = b'{"large": "' + b"x" * 10_000_000 + b'"}'
LIMIT = 1_048_576  # MAX_ANSWER_BYTES by default
TOO_LARGE = f"backend's answer is larger than {LIMIT} bytes"
NOT_JSON = "backend's answer is not JSON"
NOT_OBJECT = "backend's answer is not a JSON object"
NOT_READABLE = "backend's answer is not readable"
REDIRECTED = "backend redirected instead of answering"
GZIP = "Content-Encoding: gzip"


def padded(size: int) -> bytes:
    """A JSON object of exactly this many bytes."""
    return b'{"x":"' + b"x" * (size - 8) + b'"}'


@pytest.mark.parametrize(
    ("sent", "exc"),
    [
        pytest.param(answer(200, b"<html>hello</html>", "Content-Type: text/html"), NOT_JSON, id="HTML"),
        pytest.param(answer(500, b"<html>oops</html>", "Content-Type: text/html"), NOT_JSON, id="500 HTML"),
        pytest.param(answer(200, b'{"message": '), NOT_JSON, id="invalid JSON"),
        pytest.param(answer(200, b""), NOT_JSON, id="empty"),
        pytest.param(answer(200, b'{"message": "\xff"}'), NOT_JSON, id="non-UTF-8"),
        pytest.param(answer(200, '{"message": "hello"}'.encode("utf-16")), NOT_JSON, id="UTF-16"),
        pytest.param(answer(200, b'{"message": NaN}'), NOT_JSON, id="NaN"),
        pytest.param(answer(200, b"[" * 100_000), NOT_JSON, id="deep nesting"),
        pytest.param(as_json(200, ["a", "list"]), NOT_OBJECT, id="JSON list"),
        pytest.param(answer(200, LARGE), TOO_LARGE, id="10 MB"),
        pytest.param(answer(500, LARGE), TOO_LARGE, id="500 with 10 MB"),
        pytest.param(answer(200, gzip.compress(LARGE), GZIP), TOO_LARGE, id="10 MB as a gzip bomb"),
        pytest.param(answer(200, padded(LIMIT + 1)), TOO_LARGE, id="one byte more than allowed"),
        pytest.param(answer(200, b"no gzip at all", GZIP), NOT_READABLE, id="broken gzip"),
        pytest.param(answer(302, b"", "Location: http://127.0.0.1:1/"), REDIRECTED, id="redirect"),
        pytest.param(answer(307, LARGE, "Location: /"), REDIRECTED, id="redirect with 10 MB"),
        pytest.param(answer(302, b""), REDIRECTED, id="redirect to nowhere"),
    ],
)
def test_anything_but_a_json_object_of_allowed_size_is_a_502(
    client: Service, upstream: ScriptedBackend, sent: bytes, exc: str
) -> None:
    target = upstream.will(sends(sent))

    assert client.call(target).answer == error(502, exc)
    assert len(upstream.seen(target)) == 1, "a whole answer must not be asked for again"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(HELLO, id="plain"),
        pytest.param(answer(200, gzip.compress(HELLO.partition(b"\r\n\r\n")[2]), GZIP), id="gzip"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'6\r\n{"mess\r\n0a\r\nage":"hell\r\n3\r\no"}\r\n0\r\n\r\n',
            id="chunked",
        ),
        pytest.param(b'HTTP/1.0 200 OK\r\n\r\n{"message":"hello"}', id="HTTP/1.0 without a length"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO, id="after a 100 Continue"),
    ],
)
def test_an_answer_passes_under_the_clients_name(
    client: Service, upstream: ScriptedBackend, sent: bytes
) -> None:
    reply = client.call(upstream.will(sends(sent)))

    assert reply.answer == (200, {"status_code": 200, "message": "hello", "source": "client"})


def test_a_gzip_bomb_is_not_unpacked(client: Service, upstream: ScriptedBackend) -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(300)) + packer.flush()
    before = client.peak_mib()

    assert client.call(upstream.will(sends(answer(200, bomb, GZIP)))).answer == error(502, TOO_LARGE)
    assert client.peak_mib() < before + 100, "expected far less than the bomb's 300 MB"


def test_an_endless_answer_is_not_read_to_the_end(client: Service, upstream: ScriptedBackend) -> None:
    sent = [0]

    def never_ends(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while sent[0] < 500_000_000:
            sent[0] += connection.send(bytes(100_000))

    assert client.call(upstream.will(never_ends)).answer == error(502, TOO_LARGE)
    assert sent[0] < 50_000_000, "expected the limit and what the system buffers"


def test_an_answer_as_large_as_allowed_passes(client: Service, upstream: ScriptedBackend) -> None:
    status, content = client.call(upstream.will(sends(answer(200, padded(LIMIT))))).answer

    assert (status, content["x"]) == (200, "x" * (LIMIT - 8))


def test_text_passes_unchanged(client: Service, upstream: ScriptedBackend) -> None:
    content = {"empty": None, "ünï": "\u2028\x00🐍\ud800", "big": 10**30, "list": [0.1, True]}

    status, passed = client.call(upstream.will(sends(as_json(200, content)))).answer

    assert (status, passed) == (200, content | {"status_code": 200, "source": "client"})


@pytest.mark.parametrize("status", [404, 422, 500, 503])
def test_a_json_error_passes_with_its_status(client: Service, upstream: ScriptedBackend, status: int) -> None:
    said = {"status_code": status, "exc": "so it is", "source": "backend", "field": ["name"]}

    reply = client.call(upstream.will(sends(as_json(status, said))))

    assert reply.answer == (status, said | {"source": "client"})
    assert reply.headers["Retry-After"] is None


@pytest.mark.parametrize(
    ("status", "exc"), [(404, "Not Found"), (503, "Service Unavailable"), (599, "error")]
)
def test_a_json_error_without_words_gets_those_of_its_status(
    client: Service, upstream: ScriptedBackend, status: int, exc: str
) -> None:
    reply = client.call(upstream.will(sends(as_json(status, {"status_code": 200}))))

    assert reply.answer == error(status, exc)


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        ("7", "7"),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("soon; <b>", None),
        ("1" * 41, None),
    ],
)
def test_only_a_valid_retry_after_passes(
    client: Service, upstream: ScriptedBackend, sent: str, passed: str | None
) -> None:
    target = upstream.will(sends(as_json(503, {"exc": "busy"}, f"Retry-After: {sent}")))

    reply = client.call(target)

    assert (*reply.answer, reply.headers["Retry-After"]) == (*error(503, "busy"), passed)


def test_no_other_header_of_the_backend_passes(client: Service, upstream: ScriptedBackend) -> None:
    theirs = as_json(200, {}, "Set-Cookie: a=b", "X-Internal: 10.0.0.1", "Server: secret/1.0")

    headers = client.call(upstream.will(sends(theirs))).headers

    assert {name.lower() for name in headers} - {"vary"} == {  # Vary is of our page, if there is one
        "server", "date", "connection", "content-type", "content-length"
    }  # fmt: skip
    assert headers["Server"] == "gunicorn"


@pytest.mark.parametrize("depth", [500, 950, 970, 980, 985, 990, 995, 1480, 1490, 9980, 9990, 100_000])
def test_nesting_passes_or_is_a_502(client: Service, upstream: ScriptedBackend, depth: int) -> None:
    nested = b'{"a":' * depth + b"1" + b"}" * depth

    reply = client.call(upstream.will(sends(answer(200, nested))))

    passed = nested[:-1] + b',"status_code":200,"source":"client"}\n'
    assert (reply.status, reply.body) == (200, passed) or reply.answer == error(502, NOT_JSON)
    assert reply.status == 200 or depth > 500
