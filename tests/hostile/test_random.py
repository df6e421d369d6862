"""Random requests."""

import socket
from contextlib import closing
from time import monotonic
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.calls import connect, receive
from tests.conftest import RecordProperty
from tests.hostile.answers import check, statuses
from tests.processes import Service

BATCH = 20

random_bytes = st.binary(max_size=12)
printable = random_bytes.map(lambda data: bytes(0x21 + byte % 94 for byte in data))
methods = st.sampled_from(
    [b"GET"] * 8 + [b"HEAD", b"POST", b"OPTIONS", b"CONNECT", b"TRACE", b"get", b"G\0T", b""]
)
targets = st.sampled_from(
    [b"/?"] * 8
    + [
        b"/",
        b"/?a=",
        b"/?%",
        b"/healthz?",
        b"/readyz",
        b"//",
        b"/../",
        b"/%",
        b"*",
        b"http://a/?",
        b"a:1",
        b"",
    ]
)
queries = printable | st.sampled_from([b"a=%0d%0a", b"&&=", b"%00", b'\\^`{|}"<>', b"x" * 300]) | random_bytes
versions = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 ", b""])
names = (
    st.sampled_from(
        [
            b"Host",
            b"Cookie",
            b"X-Secret",
            b"User-Agent",
            b"Accept",
            b"Connection",
            b"Expect",
            b"Content-Length",
            b"Transfer-Encoding",
            b"Script_Name",
            b"X-Forwarded-Proto",
            b"Upgrade",
            b"Range",
        ]
    )
    | random_bytes
)
values = (
    st.sampled_from([b"1", b"close", b"keep-alive", b"chunked", b"100-continue", b"a, b", b"5"])
    | random_bytes
)
line_ends = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"", b"\r\n "])
colons = st.sampled_from([b": "] * 6 + [b":", b" :", b""])
bodies = st.sampled_from([b""] * 12 + [b"5\r\nhello\r\n0\r\n\r\n", b"hello", b"\r\n", b"\0"])


def as_bytes(parts: Any) -> bytes:
    """Return the bytes of a request from its parts."""
    method, target, query, version, headers, body = parts
    lines = b"".join(b"".join(header) for header in headers)
    return b"%s %s%s %s\r\n%s\r\n%s" % (method, target, query, version, lines, body)


headers = st.lists(st.tuples(names, colons, values, line_ends), max_size=2)
requests = st.tuples(methods, targets, queries, versions, headers, bodies).map(as_bytes) | st.binary(
    max_size=60
)


class Caller:
    """A caller that keeps its connection wherever it is clear where an answer ends."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.connection: socket.socket | None = None
        self.sent = 0

    def call(self, request: bytes) -> None:
        self.sent += 1
        if not is_one_request(request):
            statuses(self.service, request, half_close="at once")
            return
        self.connection = connection = self.connection or connect(self.service.port)
        connection.sendall(request)
        reply = receive(connection, request.split(b" ")[0].decode("latin-1"))
        check(self.service, reply.status, str(reply.headers).replace("\n", "\r\n").encode(), reply.body)
        if reply.headers["Connection"] != "keep-alive":
            self.close()

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None


def is_one_request(data: bytes) -> bool:
    """Return whether the bytes are one head without a body, so that exactly one answer follows."""
    unclear = (b"content-length", b"transfer-encoding", b"expect")
    return (
        data.endswith(b"\r\n\r\n")
        and data.count(b"\r\n\r\n") == 1
        and not data.startswith(b"\r\n")
        and not any(name in data.lower() for name in unclear)
    )


@pytest.mark.parametrize(
    "batches", [20, pytest.param(2500, marks=[pytest.mark.full, pytest.mark.timeout(900)])]
)
def test_random_requests_get_well_formed_answers(
    service: Service, batches: int, record_property: RecordProperty
) -> None:
    with closing(Caller(service)) as caller:
        seconds = send_batches(caller, requests, batches)

    print(f"\n{service.name}: {caller.sent} requests, {caller.sent / seconds:.0f} a second")
    record_property("sent", caller.sent)
    assert caller.sent >= batches * BATCH


def send_batches(caller: Caller, requests: st.SearchStrategy[bytes], batches: int) -> float:
    """Send random requests and return the seconds that it took."""

    @settings(
        max_examples=batches,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # to shrink a request that hangs would take hours
    )
    @given(st.lists(requests, min_size=BATCH, max_size=BATCH))
    def send(batch: list[bytes]) -> None:
        for request in batch:
            try:
                caller.call(request)
            except BaseException as error:
                error.add_note(f"after {request!r}")
                raise

    start = monotonic()
    send()
    return monotonic() - start
