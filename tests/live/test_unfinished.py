"""Requests that callers begin and do not finish: a process holds a bounded number of their bytes."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.calls import connect, error, eventually, receive, request
from tests.conftest import RecordProperty, Start
from tests.hostile.answers import received
from tests.processes import Service

MIB = 1_048_576
LINE = b"GET /?" + b"x" * 119_000
HEADERS = LINE[:60_000] + b" HTTP/1.1\r\n" + b"X: " + b"x" * 8000 + b"\r\nX: " + b"x" * 8000
BODY = request("/", "GET", "Content-Length: 8000") + b"x" * 7999
EXC = "this process holds too many unfinished requests; this was the largest"


def memory(service: Service) -> int:
    """The bytes of memory that the worker uses."""
    status = Path(f"/proc/{service.workers()[-1]}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


@contextmanager
def unfinished(service: Service, number: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections that have each sent as much, as far as the service let them."""
    with ExitStack() as stack:
        callers = []
        for _ in range(number):
            callers.append(stack.enter_context(connect(service.port)))
            with suppress(OSError):
                callers[-1].sendall(sent)
        yield callers


@pytest.mark.parametrize("sent", [LINE, HEADERS, BODY], ids=["line", "headers", "body"])
def test_unfinished_requests_fill_no_more_than_the_budget(start: Start, sent: bytes) -> None:
    backend = start("backend", MAX_BUFFERED_BYTES=str(MIB))
    before = memory(backend)

    with unfinished(backend, 400, sent):  # up to 47 MiB
        eventually("others are answered", lambda: backend.call("/").status == 200)
        assert memory(backend) < before + 16 * MIB  # 400 connections cost 6
    eventually("the memory is given back", lambda: memory(backend) < before + 10 * MIB)
    assert "Traceback" not in backend.log


def test_the_largest_unfinished_request_is_answered_503(start: Start) -> None:
    backend = start("backend", MAX_BUFFERED_BYTES=str(MIB))

    with connect(backend.port, LINE) as largest, unfinished(backend, 20, LINE[:60_000]) as others:
        reply = receive(largest)
        for caller in others:
            caller.sendall(b" HTTP/1.1\r\nHost: a\r\n\r\n")
        statuses = {receive(caller).status for caller in others}

    assert reply.answer == error(503, EXC, "backend")
    assert (reply.headers["Connection"], reply.headers["Retry-After"]) == ("close", "1")
    assert statuses == {200, 503}, "expected some of the others to fit"


@pytest.mark.full
@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("sent", [LINE, HEADERS, BODY, LINE[:8000]], ids=["line", "headers", "body", "small"])
@pytest.mark.parametrize("name", ["backend", "client"])
def test_4000_unfinished_requests_stay_below_128_mib(
    start: Start, backend: Service, name: str, sent: bytes, record_property: RecordProperty
) -> None:
    service = start(name, URL=f"127.0.0.1:{backend.port}")
    before = memory(service)

    with unfinished(service, 4000, sent) as callers:
        eventually("others are answered", lambda: service.call("/").status == 200)
        record_property("sent", len(callers))
    eventually("the memory is given back", lambda: memory(service) < before + 32 * MIB)

    after = memory(service) // MIB
    print(f"\n{name}: {before // MIB} MiB, then at most {service.peak_mib()}, then {after}")
    assert service.peak_mib() < 128


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["backend", "client"])
def test_memory_does_not_grow_with_the_number_of_requests(
    start: Start, backend: Service, name: str, record_property: RecordProperty
) -> None:
    service = start(name, URL=f"127.0.0.1:{backend.port}", ACCESS_LOG="false")

    def call(times: int) -> int:
        """Send many requests, and some that are refused; return how much memory there is then."""
        for _ in range(times // 100):
            with connect(service.port, request("/?a=b") * 99 + request("/healthz", "BREW")) as caller:
                caller.shutdown(socket.SHUT_WR)
                assert received(caller).count(b"HTTP/1.1 ") == 100
        return memory(service)

    before = call(20_000)
    after = call(100_000)
    record_property("sent", 120_000)

    assert after < before + 4 * MIB
