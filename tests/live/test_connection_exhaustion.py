"""Connections that are held do not take the room of others."""

from contextlib import ExitStack

import pytest

from tests.calls import connect, eventually, request
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
