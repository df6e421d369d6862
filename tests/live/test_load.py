"""Many calls at once."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.calls import connect, error, receive, request
from tests.conftest import Start
from tests.processes import Service
from tests.scripted_backend import HELLO, ScriptedBackend, sends, waits_for

Held = Callable[[Service, int], list[socket.socket]]


@pytest.fixture
def speak() -> threading.Event:
    """Lets the held calls be answered."""
    return threading.Event()


@pytest.fixture
def held(upstream: ScriptedBackend, speak: threading.Event) -> Iterator[Held]:
    """Calls that reached the backend and wait for it."""
    with ExitStack() as stack:

        def hold(client: Service, number: int) -> list[socket.socket]:
            target = upstream.will(waits_for(speak))
            callers = [stack.enter_context(connect(client.port, request(target))) for _ in range(number)]
            upstream.await_requests(target, number)
            return callers

        yield hold
        speak.set()


def test_200_waiting_calls_leave_the_rest_fast(
    start: Start, upstream: ScriptedBackend, held: Held, speak: threading.Event
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}")
    callers = held(client, 200)

    quick = upstream.will(sends(HELLO))
    seconds = [client.call(target).seconds for _ in range(20) for target in ("/healthz", quick)]
    speak.set()

    assert sorted(seconds)[-4] < 0.25, f"expected 9 of 10 fast: {seconds}"
    assert max(seconds) < 1
    assert [receive(caller).status for caller in callers] == [200] * 200


def test_a_call_above_the_limit_in_flight_is_a_503_at_once(
    start: Start, upstream: ScriptedBackend, held: Held, speak: threading.Event
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", MAX_IN_FLIGHT="2")
    callers = held(client, 2)

    refused = client.call("/")

    assert refused.answer == error(503, "more than 2 requests in flight")
    assert refused.headers["Retry-After"] == "1"
    assert [client.call(probe).status for probe in ("/healthz", "/readyz")] == [200, 200]

    speak.set()
    assert [receive(caller).status for caller in callers] == [200, 200]
    # Both connections stay open from here on, idle: they must not count.
    assert client.call(upstream.will(sends(HELLO))).status == 200, "expected room again"
