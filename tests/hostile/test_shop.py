"""Requests to a Blueprint of one's own: bodies that are no bodies, and random ones."""

from contextlib import ExitStack, closing

import pytest
from hypothesis import strategies as st

from tests.calls import JSON, connect, receive, request
from tests.hostile.answers import statuses
from tests.hostile.conftest import QUICK
from tests.hostile.test_passed_on import contents, framed, framings, kinds, methods, names, spelled, values
from tests.hostile.test_random import BATCH, Caller, send_batches
from tests.processes import Service

LIMIT = 1_048_576  # MAX_REQUEST_BYTES by default
FORM = "Content-Type: application/x-www-form-urlencoded"
PARTS = "Content-Type: multipart/form-data; boundary=x"
CHUNKED = "Transfer-Encoding: chunked"
ROUTES = [("POST", "/orders", JSON), ("PUT", "/orders/7", JSON), ("POST", "/forms", FORM)]


@pytest.fixture
def service(backend: Service) -> Service:
    """Only the backend has a logic."""
    return backend


@pytest.mark.parametrize("route", ROUTES, ids=str)
@pytest.mark.parametrize("size", [LIMIT + 1, 10**12, 10**30])
def test_a_body_that_is_announced_as_too_large_is_refused_before_it_comes(
    service: Service, route: tuple[str, str, str], size: int
) -> None:
    method, path, kind = route
    with connect(service.port, request(path, method, kind, f"Content-Length: {size}")) as connection:
        assert receive(connection).status == 413


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_chunked_body_that_becomes_too_large_is_a_413(
    service: Service, route: tuple[str, str, str]
) -> None:
    method, path, kind = route
    chunks = b"10000\r\n%b\r\n" % (b" " * 65_536) * 17 + b"0\r\n\r\n"

    with connect(service.port, request(path, method, kind, CHUNKED) + chunks) as connection:
        assert receive(connection).status == 413


@pytest.mark.parametrize("route", ROUTES, ids=str)
@pytest.mark.parametrize(
    ("header", "sent"),
    [
        ("Content-Length: 9", b""),
        ("Content-Length: 9", b"{}"),
        ("Content-Length: 9", b"a=1&b"),
        (CHUNKED, b""),
        (CHUNKED, b"2\r\n{}"),
        (CHUNKED, b"2\r\n{}\r\n"),
        (CHUNKED, b"2\r\n{}\r\n0"),
        (CHUNKED, b"zz\r\n{}\r\n0\r\n\r\n"),
        (CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n"),
        (CHUNKED, b"2\r\n{}}}\r\n0\r\n\r\n"),
        (CHUNKED, b"f" * 4000 + b"\r\n"),
        (CHUNKED, b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n"),
    ],
    ids=lambda each: str(each)[:25],
)
def test_a_body_that_is_not_as_announced_is_a_400_and_nothing_is_executed(
    service: Service, route: tuple[str, str, str], header: str, sent: bytes
) -> None:
    method, path, kind = route

    assert statuses(service, request(path, method, kind, header) + sent, half_close="at once") == [400]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (JSON, b"{}", 201),
        (JSON, b"[NaN]", 400),
        (JSON, b"1e999", 400),
        (JSON, b"9" * 5000, 400),
        (JSON, b'"\\ud800"', 201),
        (JSON, b"[" * 100 + b"]" * 100, 201),
        (JSON, b"[" * 101 + b"]" * 101, 400),
        (JSON, b"[" * 500_000 + b"]" * 500_000, 400),
        (JSON, b'{"a":' * 200_000, 400),
        (JSON, b"[" + b"{}," * 300_000 + b"{}]", 201),
        (JSON, b"[" + b'"\\u0000",' * 100_000 + b"0]", 201),
        ("Content-Type: application/json; charset=utf-16", b"{}", 201),
        ("Content-Type: text/plain", b"{}", 415),
        ("Content-Type: application/json\xff", b"{}", 415),
        ("Content-Type: " + "application/json;" * 400, b"{}", 201),
        (FORM, b"{}", 415),
        ("X: y", b"{}", 415),
    ],
    ids=lambda each: str(each)[:25],
)
def test_json_is_taken_or_refused(service: Service, kind: str, body: bytes, status: int) -> None:
    head = request("/orders", "POST", "Connection: close", f"Content-Length: {len(body)}")
    sent = head.replace(b"\r\n\r\n", b"\r\n" + kind.encode("latin-1") + b"\r\n\r\n") + body

    assert statuses(service, sent) == [status]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (FORM, b"a=%00%ff%&&=&b", 200),
        (FORM, b"&".join([b"a=1"] * 200_000), 200),
        (PARTS, b"", 200),
        (PARTS, b"--x", 200),
        (PARTS, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--', 200),
        (PARTS, b"--x\r\nno colon\r\n\r\n1\r\n--x--", 200),
        (PARTS, b"--x\r\nContent-Disposition: form-data\r\n\r\n" + b"1" * 900_000 + b"\r\n--x--", 200),
        (PARTS, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 2000 + b"--x--", 413),
        (PARTS.replace("=x", ""), b"--x--", 200),
        (PARTS.replace("=x", "=" + "x" * 7000), b"--x--", 200),
    ],
    ids=lambda each: str(each)[:25],
)
def test_a_form_is_taken_or_refused(service: Service, kind: str, body: bytes, status: int) -> None:
    sent = request("/forms", "POST", kind, "Connection: close", body=body)

    assert statuses(service, sent) == [status]


@pytest.mark.parametrize(("path", "kind"), [("/orders", JSON), ("/forms", FORM), ("/forms", PARTS)])
def test_50_slow_bodies_of_a_view_do_not_slow_other_calls(service: Service, path: str, kind: str) -> None:
    sent = request(path, "POST", kind, "Content-Length: 400", "Connection: close") + b"a"
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(service.port, sent)) for _ in range(50)]
        seconds = []
        for _ in range(10):
            for connection in connections:
                connection.send(b"=")
            seconds += [service.call(target).seconds for target in ("/healthz", "/")]
            assert service.call("/orders", "POST", JSON, body=b"{}").status == 201
        for connection in connections:
            connection.sendall(b"=" * 389)
        status = 400 if kind == JSON else 200  # a form may be anything
        assert [receive(connection).status for connection in connections] == [status] * 50

    assert max(seconds) < QUICK


def test_a_body_is_never_read_as_the_next_request(service: Service) -> None:
    smuggled = request("/orders/7", "DELETE")
    for header, body in (
        (f"Content-Length: {len(smuggled)}", smuggled),
        (CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(smuggled), smuggled)),
    ):
        sent = request("/orders", "POST", JSON, header) + body
        assert statuses(service, sent + request("/", "GET", "Connection: close")) == [400, 200]


paths = st.sampled_from([b"/orders", b"/orders/7", b"/forms", b"/"]) | spelled()
all_kinds = kinds | st.sampled_from([each.partition(": ")[2].encode() for each in (FORM, PARTS)])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Return a request for the shop, well-formed but for one or two of its parts."""
    lines = b"".join(b"%s: %s\r\n" % each for each in draw(st.lists(st.tuples(names, values), max_size=2)))
    length, body = framed(draw(contents), draw(framings)) if draw(st.booleans()) else (b"", b"")
    query = draw(st.sampled_from([b"", b"?a=1&a=%ff", b"?%", b"#b"]))
    start = b"%s %s%s HTTP/1.1\r\nHost: a\r\n" % (draw(methods), draw(paths), query)
    return start + b"Content-Type: %s\r\n" % draw(all_kinds) + lines + length + b"\r\n" + body


@pytest.mark.parametrize(
    "batches", [20, pytest.param(2500, marks=[pytest.mark.full, pytest.mark.timeout(900)])]
)
def test_random_requests_of_a_blueprint_are_no_5xx(service: Service, batches: int) -> None:
    with closing(Caller(service)) as caller:
        seconds = send_batches(caller, requests(), batches)

    print(f"\n{caller.sent} requests, {caller.sent / seconds:.0f} a second")
    assert caller.sent >= batches * BATCH
