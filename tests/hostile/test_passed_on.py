"""Requests that try to reach what they must not through the client: by path, header, method and body."""

from contextlib import ExitStack, closing

import pytest
from hypothesis import strategies as st

from client.forwarding import HEADERS
from tests.calls import JSON, connect, receive, request
from tests.conftest import RecordProperty
from tests.hostile.answers import statuses
from tests.hostile.conftest import QUICK
from tests.hostile.test_random import BATCH, Caller, send_batches
from tests.processes import Service
from tests.scripted_backend import ScriptedBackend


@pytest.fixture
def service(client: Service) -> Service:
    """Only the client passes anything on."""
    return client


@pytest.mark.parametrize(
    "end", ["\r\n", "\r", "\n", "\n\r", "\0", "\r\n ", "\r\n\t", "\x0b", "\x7f"], ids=repr
)
@pytest.mark.parametrize("name", HEADERS)
def test_no_header_that_is_passed_on_can_carry_another(
    service: Service, upstream: ScriptedBackend, name: str, end: str
) -> None:
    sent = request("/", "POST", f"{name}: a{end}X-Evil: 1", "Connection: close")

    assert statuses(service, sent) in ([200], [400])
    seen = [line for heads in upstream.requests.values() for head in heads for line in head.split(b"\r\n")]
    assert not any(line.startswith(b"X-Evil") for line in seen)


@pytest.mark.parametrize("name", [name for name in HEADERS if not name.startswith("trace")])
def test_a_header_that_is_passed_on_may_be_as_long_as_any(
    service: Service, upstream: ScriptedBackend, name: str
) -> None:
    assert statuses(service, request("/", "GET", f"{name}: {'x' * 8000}", "Connection: close")) == [200]
    assert [len(head) > 8000 for heads in upstream.requests.values() for head in heads] == [True]


def test_large_bodies_that_grow_as_they_are_parsed_do_not_slow_other_calls(service: Service) -> None:
    body = b"[" + b"{}," * 300_000 + b"{}]"
    with connect(service.port) as connection:
        connection.settimeout(60)
        seconds = []
        for _ in range(10):
            connection.sendall(request("/", "POST", JSON, body=body))
            seconds.append(service.call("/healthz").seconds)
            assert receive(connection).status == 200

    assert max(seconds) < QUICK


@pytest.mark.parametrize("size", [400, 1_048_576])
def test_200_slow_bodies_do_not_slow_other_calls(
    service: Service, upstream: ScriptedBackend, size: int
) -> None:
    sent = request("/", "POST", JSON, f"Content-Length: {size}", "Connection: close") + b"[1"
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(service.port, sent)) for _ in range(200)]
        seconds = []
        for _ in range(10):
            for connection in connections:
                connection.send(b",1")
            seconds += [service.call(target).seconds for target in ("/healthz", "/")]
            assert service.call("/", "POST", JSON, body=b"{}").status == 200

    assert max(seconds) < QUICK
    assert sum(map(len, upstream.requests.values())) == 20, "expected no unfinished body to be passed on"


segments = st.sampled_from(
    [b"a", b"b", b"", b".", b"..", b"...", b"healthz", b"readyz", b"version", b"openapi.json", b"evil:80"]
)
separators = st.sampled_from([b"/"] * 8 + [b"//", b"\\", b"%2f", b"%5C", b"/;", b"/%2e", b"%00", b"%", b"@"])


@st.composite
def spelled(draw: st.DrawFn) -> bytes:
    """Return a path, some of its bytes percent-encoded up to three times."""
    path = draw(segments) + b"".join(
        draw(st.lists(st.tuples(separators, segments).map(b"".join), max_size=3))
    )
    times = draw(st.sampled_from([0, 0, 0, 1, 2, 3]))
    for _ in range(times if path else 0):
        where = draw(st.integers(0, len(path) - 1))
        path = path[:where] + b"%%%02x" % path[where] + path[where + 1 :]
    return draw(st.sampled_from([b""] * 9 + [b"http://evil.example"])) + b"/" + path


methods = st.sampled_from(
    [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE"] * 3 + [b"OPTIONS", b"TRACE"]
)
names = st.sampled_from(
    [name.encode() for name in HEADERS] + [b"X-Other", b"X_Request_ID", b"Content-Encoding"]
)
values = st.binary(max_size=8) | st.sampled_from([b'"a"', b"*", b"a\r\nX-Evil: 1", b"gzip", b""])
kinds = st.sampled_from(
    [b"application/json"] * 6
    + [b"application/json; charset=utf-16", b"text/plain", b"", b"application/json;;=\xff"]
)
contents = st.sampled_from(
    [b"{}", b'{"a": [1, 2]}', b"[" * 150 + b"]" * 150, b"[NaN]", b"{", b"1e999", b'"\\ud800"', b"\xff", b""]
) | st.binary(max_size=12)
framings = st.sampled_from(["length"] * 8 + ["chunks"] * 3 + ["none", "more", "less", "both", "bad chunk"])


def framed(content: bytes, framing: str) -> tuple[bytes, bytes]:
    """Return the header that says how long a body is, and the body; perhaps wrongly."""
    chunks = b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in content) + b"0\r\nX-Evil: 1\r\n\r\n"
    return {
        "length": (b"Content-Length: %d\r\n" % len(content), content),
        "more": (b"Content-Length: %d\r\n" % (len(content) + 3), content),
        "less": (b"Content-Length: %d\r\n" % max(0, len(content) - 1), content),
        "chunks": (b"Transfer-Encoding: chunked\r\n", chunks),
        "both": (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunks),
        "bad chunk": (b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffffff\r\n" + content),
        "none": (b"", content),
    }[framing]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Return a request that is well-formed but for one or two of its parts."""
    lines = b"".join(b"%s: %s\r\n" % each for each in draw(st.lists(st.tuples(names, values), max_size=2)))
    length, body = framed(draw(contents), draw(framings)) if draw(st.booleans()) else (b"", b"")
    query = draw(st.sampled_from([b"", b"?a=1", b"?../..", b"?%", b"#b"]))
    start = b"%s %s%s HTTP/1.1\r\nHost: a\r\n" % (draw(methods), draw(spelled()), query)
    return start + b"Content-Type: %s\r\n" % draw(kinds) + lines + length + b"\r\n" + body


@pytest.mark.parametrize(
    "batches", [20, pytest.param(2500, marks=[pytest.mark.full, pytest.mark.timeout(900)])]
)
def test_random_requests_reach_nothing_but_what_is_below_the_base_path(
    service: Service, upstream: ScriptedBackend, batches: int, record_property: RecordProperty
) -> None:
    with closing(Caller(service)) as caller:
        seconds = send_batches(caller, requests(), batches)

    passed_on = sum(map(len, upstream.requests.values()))  # `unharmed` checks each of them
    print(f"\n{caller.sent} requests, {passed_on} passed on, {caller.sent / seconds:.0f} a second")
    record_property("sent", caller.sent)
    assert caller.sent >= batches * BATCH
    assert passed_on > caller.sent / 10
