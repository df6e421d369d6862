"""Callers that hold connections do not keep others out."""

from contextlib import ExitStack

import pytest

from tests.calls import connect, eventually, receive, request
from tests.conftest import Start
from tests.hostile.answers import received
from tests.scripted_backend import ScriptedBackend, as_json, sends_and_stays


@pytest.mark.parametrize("half", [b"", b"GET / HT", request("/", "GET", "Content-Length: 9") + b"x"])
def test_connections_that_are_held_leave_room_for_others(start: Start, half: bytes) -> None:
    backend = start("backend", MAX_IN_FLIGHT="10")  # and so 40 connections

    with ExitStack() as stack:
        held = [stack.enter_context(connect(backend.port, half)) for _ in range(100)]

        assert backend.call("/").seconds < 1
        assert received(held[0]).count(b"HTTP") == half.count(b"Length"), "expected the oldest to be closed"
    assert "Traceback" not in backend.log


@pytest.mark.parametrize(
    ("max_in_flight", "number"), [("10", 40), pytest.param("1000", 4000, marks=pytest.mark.full)]
)
@pytest.mark.usefixtures("many_files")
def test_idle_connections_leave_room_for_normal_load(start: Start, max_in_flight: str, number: int) -> None:
    backend = start("backend", MAX_IN_FLIGHT=max_in_flight)

    with ExitStack() as stack:
        for _ in range(number):
            idle = stack.enter_context(connect(backend.port, request("/")))
            assert receive(idle).status == 200

        replies = [backend.call("/") for _ in range(100)]

    assert {reply.status for reply in replies} == {200}
    assert max(reply.seconds for reply in replies) < 1


def test_callers_are_told_to_close_before_any_connection_is_closed_on_them(start: Start) -> None:
    backend = start("backend", MAX_IN_FLIGHT="10")  # and so 40 connections

    with ExitStack() as stack:
        said = []
        for _ in range(25):
            caller = stack.enter_context(connect(backend.port, request("/")))
            said.append(receive(caller).headers["Connection"])

    assert said == ["keep-alive"] * 20 + ["close"] * 5


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
