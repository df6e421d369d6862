"""Many callers with large bodies at once, sent or begun: the process holds no more than its budget."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from threading import Event

import pytest

from tests.calls import JSON, Reply, connect, eventually, receive, request
from tests.conftest import Start
from tests.live.test_large_answers import BODIES, LIMIT, MAX_MIB
from tests.scripted_backend import HELLO, ScriptedBackend, sends_and_stays, waits_for

CALLERS = 100


@pytest.mark.full
@pytest.mark.parametrize("body", BODIES)
def test_100_callers_with_the_largest_bodies_fit_into_a_pod(
    start: Start, upstream: ScriptedBackend, body: str
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}")
    target = upstream.will(sends_and_stays(HELLO))

    def call(_: int) -> Reply | None:
        with suppress(ConnectionError):  # where it was refused before it was read whole
            return client.call(target, "POST", JSON, body=BODIES[body])
        return None

    with ThreadPoolExecutor(CALLERS) as callers:
        replies = list(callers.map(call, range(CALLERS)))

    statuses = Counter(reply and reply.status for reply in replies)
    print(f"\n{statuses}, {client.peak_mib()} MiB")
    assert set(statuses) <= {200, 503, None}
    assert statuses[200]
    assert all(reply.headers["Retry-After"] == "1" for reply in replies if reply and reply.status == 503)
    assert client.peak_mib() < MAX_MIB
    assert len(upstream.seen(target)) == statuses[200], "what was refused must not reach the backend"
    eventually("room again", lambda: client.call(target, "POST", JSON, body=BODIES[body]).status == 200)
    assert "Traceback" not in client.log


def test_callers_who_begin_large_bodies_leave_the_others_served(
    start: Start, upstream: ScriptedBackend
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}")
    target = upstream.will(sends_and_stays(HELLO))
    begun = request(target, "POST", JSON, body=BODIES["text"])[: LIMIT // 2]

    with ExitStack() as stack:
        for _ in range(CALLERS):
            with suppress(ConnectionError):
                stack.enter_context(connect(client.port)).sendall(begun)
        eventually("others are served", lambda: client.call(target).status == 200)
        assert client.call("/healthz").status == 200
        assert client.call(target, "POST", JSON, body=b"{}").status == 200

    assert client.peak_mib() < MAX_MIB
    eventually("room again", lambda: client.call(target, "POST", JSON, body=BODIES["text"]).status == 200)
    assert "Traceback" not in client.log


def test_a_body_counts_until_its_answer_is_sent(start: Start, upstream: ScriptedBackend) -> None:
    room = {"MAX_REQUEST_BYTES": "400000", "MAX_ANSWER_BYTES": "100000", "MAX_BUFFERED_BYTES": "1048576"}
    client = start("client", URL=f"127.0.0.1:{upstream.port}", **room)
    body = b'"' + b"x" * 399_998 + b'"'
    held = Event()
    target = upstream.will(waits_for(held))
    other = upstream.will(sends_and_stays(HELLO))

    with connect(client.port, request(target, "POST", JSON, body=body)) as first:
        upstream.await_requests(target, 1)
        refused = client.call(other, "POST", JSON, body=body)
        held.set()
        assert receive(first).status == 200

    assert refused.answer[0] == 503
    assert client.call(other, "POST", JSON, body=body).status == 200, "expected room again"
