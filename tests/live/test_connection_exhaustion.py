"""Callers that hold connections do not keep others out."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from tests.calls import connect, error, eventually, receive, request
from tests.conftest import RecordProperty, Start
from tests.hostile.answers import received
from tests.processes import Service, running
from tests.scripted_backend import ScriptedBackend, as_json, sends_and_stays, waits_for


@pytest.fixture(scope="module")
def small() -> Iterator[Service]:
    """A backend with room for 40 connections, for tests that leave none open and need none to be free."""
    with running("backend", MAX_IN_FLIGHT="10") as it:
        yield it
        assert "Traceback" not in it.log, it.log


@pytest.mark.parametrize("half", [b"", b"GET / HT"])
def test_connections_that_are_held_leave_room_for_others(small: Service, half: bytes) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(connect(small.port, half)) for _ in range(100)]

        assert small.call("/").status == 200, "expected it before any of them takes too long"
        assert received(held[0]) == b"", "expected the oldest to be closed"


def test_nobody_is_cut_off_where_more_connect_at_once_than_there_is_room_for(small: Service) -> None:
    unfinished = request("/", "GET", "Content-Length: 9") + b"x"

    with ExitStack() as stack:
        held = [stack.enter_context(connect(small.port, unfinished)) for _ in range(100)]

        assert small.call("/").status == 200
        assert {receive(caller).status for caller in held} <= {200, 503}


@pytest.mark.parametrize(
    ("max_in_flight", "number"), [("10", 40), pytest.param("1000", 4000, marks=pytest.mark.full)]
)
@pytest.mark.usefixtures("many_files")
def test_idle_connections_leave_room_for_normal_load(
    start: Start, max_in_flight: str, number: int, record_property: RecordProperty
) -> None:
    backend = start("backend", MAX_IN_FLIGHT=max_in_flight)

    with ExitStack() as stack:
        for _ in range(number):
            idle = stack.enter_context(connect(backend.port, request("/")))
            assert receive(idle).status == 200

        record_property("sent", number)
        replies = [backend.call("/") for _ in range(100)]

    assert {reply.status for reply in replies} == {200}
    assert median(reply.seconds for reply in replies) < 1


def test_callers_are_told_to_close_before_any_connection_is_closed_on_them(start: Start) -> None:
    backend = start("backend", MAX_IN_FLIGHT="10")  # and so 40 connections

    with ExitStack() as stack:
        said = []
        for _ in range(25):
            caller = stack.enter_context(connect(backend.port, request("/")))
            said.append(receive(caller).headers["Connection"])

    assert said == ["keep-alive"] * 20 + ["close"] * 5


@pytest.fixture
def few_files(tmp_path: Path) -> str:
    """A PYTHONPATH with which a process may open 64 files."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
    (tmp_path / "sitecustomize.py").write_text(limit)
    return str(tmp_path)


@pytest.mark.parametrize("name", ["backend", pytest.param("client", marks=pytest.mark.full)])
def test_idle_connections_leave_room_for_others_within_64_files(
    start: Start, upstream: ScriptedBackend, name: str, few_files: str
) -> None:
    service = start(name, URL=f"127.0.0.1:{upstream.port}", PYTHONPATH=few_files)

    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(connect(service.port))

        assert service.call("/nothing").status in (404, 502)
    assert 'MAX_IN_FLIGHT=5 instead of 1000: at most 64 open files"' in service.log
    assert "Traceback" not in service.log


def test_calls_in_flight_leave_room_for_others_within_64_files(
    start: Start, upstream: ScriptedBackend, few_files: str
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", PYTHONPATH=few_files)
    said = threading.Event()
    targets = [upstream.will(waits_for(said)) for _ in range(5)]

    with ExitStack() as stack:
        callers = [stack.enter_context(connect(client.port, request(target))) for target in targets]
        for target in targets:
            upstream.await_requests(target, 1)
        for _ in range(100):
            stack.enter_context(connect(client.port))

        assert client.call("/").answer == error(503, "more than 5 requests in flight")
        assert client.call("/healthz").status == 200
        said.set()
        assert [receive(caller).status for caller in callers] == [200] * 5
    assert "Traceback" not in client.log


def test_a_connection_that_idles_is_closed_after_idle_timeout_and_one_that_asks_is_not(start: Start) -> None:
    backend = start("backend", IDLE_TIMEOUT="1")

    with connect(backend.port) as idle, connect(backend.port, b"GET / HT") as asks:
        assert received(idle) == b""

        asks.sendall(b"TP/1.1\r\nHost: a\r\n\r\n")
        assert receive(asks).status == 200


def test_a_caller_that_does_not_read_its_answers_is_hung_up_on(
    start: Start, upstream: ScriptedBackend
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", ANSWER_TIMEOUT="1")
    target = upstream.will(sends_and_stays(as_json(200, {"text": "x" * 1_000_000})))

    with connect(client.port, request(target) * 30) as caller:

        def is_closed() -> bool:
            try:
                caller.send(b"x")
            except ConnectionError:
                return True
            return False

        eventually("the client hangs up", is_closed)
        assert len(received(caller)) < 30_000_000
    assert "Traceback" not in client.log
