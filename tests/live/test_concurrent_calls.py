"""Many calls in flight at once."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.calls import connect, error, receive, request
from tests.conftest import Start
from tests.processes import Service
from tests.scripted_backend import HELLO, ScriptedBackend, sends, waits_for

MakeCalls = Callable[[Service, int], list[socket.socket]]


@pytest.fixture
def release() -> threading.Event:
    """The event that the backend waits for before it answers the waiting calls."""
    return threading.Event()


@pytest.fixture
def waiting_calls(upstream: ScriptedBackend, release: threading.Event) -> Iterator[MakeCalls]:
    """Return a function that makes calls which reach the backend and wait for its answer."""
    with ExitStack() as stack:

        def make(client: Service, number: int) -> list[socket.socket]:
            target = upstream.will(waits_for(release))
            callers = [stack.enter_context(connect(client.port, request(target))) for _ in range(number)]
            upstream.await_requests(target, number)
            return callers

        yield make
        release.set()


def test_200_waiting_calls_do_not_slow_the_others(
    start: Start, upstream: ScriptedBackend, waiting_calls: MakeCalls, release: threading.Event
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}")
    callers = waiting_calls(client, 200)

    quick = upstream.will(sends(HELLO))
    seconds = [client.call(target).seconds for _ in range(20) for target in ("/healthz", quick)]
    release.set()

    assert sorted(seconds)[-4] < 1, f"expected 9 of 10 fast: {seconds}"
    assert max(seconds) < 5
    assert [receive(caller).status for caller in callers] == [200] * 200


def test_a_call_above_the_limit_in_flight_is_a_503_at_once(
    start: Start, upstream: ScriptedBackend, waiting_calls: MakeCalls, release: threading.Event
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", MAX_IN_FLIGHT="2")
    callers = waiting_calls(client, 2)

    refused = client.call("/")

    assert refused.answer == error(503, "more than 2 requests in flight")
    assert refused.headers["Retry-After"] == "1"
    assert [client.call(probe).status for probe in ("/healthz", "/readyz")] == [200, 200]

    release.set()
    assert [receive(caller).status for caller in callers] == [200, 200]
    # Both connections stay open from here on, idle: they must not be counted.
    assert client.call(upstream.will(sends(HELLO))).status == 200, "expected room again"
