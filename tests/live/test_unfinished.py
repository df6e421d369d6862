"""Requests that callers begin and do not finish: a process holds a bounded number of their bytes."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.calls import connect, error, eventually, receive, request
from tests.conftest import Start
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
        assert backend.call("/").status == 200
        assert memory(backend) < before + 16 * MIB  # 400 connections cost 6
    eventually("the memory is given back", lambda: memory(backend) < before + 6 * MIB)
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
    start: Start, backend: Service, name: str, sent: bytes
) -> None:
    service = start(name, URL=f"127.0.0.1:{backend.port}")
    before = most = memory(service)

    def is_quick() -> bool:
        nonlocal most
        most = max(most, memory(service))
        return service.call("/").seconds < 0.2

    with unfinished(service, 4000, sent):
        eventually("the rest is quick again", is_quick)
    eventually("the memory is given back", lambda: memory(service) < before + 32 * MIB)

    print(f"\n{name}: {before / MIB:.0f} MiB, then {most / MIB:.0f}, then {memory(service) / MIB:.0f}")
    assert most < 128 * MIB
