"""Many callers of large answers at once, reading or not: the process holds no more than its budget."""

import socket
from contextlib import ExitStack

import pytest

from tests.calls import call, connect, error, eventually, receive, request
from tests.conftest import Start
from tests.scripted_backend import ScriptedBackend, answer, sends_and_stays

CALLERS = 200
LIMIT = 1_048_576  # MAX_ANSWER_BYTES by default
# A Pod's limit is 192 MiB, of which an idle process takes 50.
MAX_MIB = 160


def padded(start: bytes, filler: bytes, end: bytes) -> bytes:
    """A JSON object as large as is allowed."""
    return start + filler * ((LIMIT - len(start + end)) // len(filler)) + end


BODIES = {
    "text": padded(b'{"x":"', b"x", b'"}'),
    "text that grows as it is encoded": padded(b'{"x":"', "ü".encode(), b'"}'),
    "small objects": padded(b'{"x":[{}', b",{}", b"]}"),
}


@pytest.mark.full
@pytest.mark.parametrize("body", BODIES)
def test_200_callers_of_the_largest_answers_fit_into_a_pod(
    start: Start, upstream: ScriptedBackend, body: str
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}")
    target = upstream.will(sends_and_stays(answer(200, BODIES[body])))

    with ExitStack() as stack:
        callers = [stack.enter_context(connect(client.port, request(target))) for _ in range(CALLERS)]
        eventually("all calls reach the backend", lambda: len(upstream.seen(target)) >= CALLERS)
        assert client.call("/healthz").status == 200  # while nobody reads
        replies = [receive(caller) for caller in callers]

    assert {reply.status for reply in replies} <= {200, 503}
    assert all(reply.headers["Retry-After"] == "1" for reply in replies if reply.status == 503)
    assert any(reply.status == 200 for reply in replies)
    assert client.peak_mib() < MAX_MIB
    assert call(client.port, target).status == 200, "expected room again"


def connect_with_a_small_buffer(port: int) -> socket.socket:
    """Return a connection on which little arrives that is not read; the rest stays with the sender."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    return connection


def test_200_callers_who_do_not_read_fit_into_a_pod(start: Start, upstream: ScriptedBackend) -> None:
    # Callers who do not read for ANSWER_TIMEOUT are left: not before the last one has asked.
    client = start("client", URL=f"127.0.0.1:{upstream.port}", ANSWER_TIMEOUT="120")
    target = upstream.will(sends_and_stays(answer(200, BODIES["text"])))

    with ExitStack() as stack:
        for number in range(CALLERS):  # one after the other, so that reading them is no limit
            caller = stack.enter_context(connect_with_a_small_buffer(client.port))
            caller.sendall(request(target))
            upstream.await_requests(target, number + 1)
        assert client.call(target).answer == error(503, "too many large answers at once")
        assert client.call("/healthz").status == 200

    assert client.peak_mib() < MAX_MIB
    eventually("room again", lambda: client.call(target).status == 200)


def test_a_call_counts_as_in_flight_until_its_answer_is_sent(start: Start, upstream: ScriptedBackend) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", MAX_IN_FLIGHT="1")
    target = upstream.will(sends_and_stays(answer(200, BODIES["text"])))

    with connect_with_a_small_buffer(client.port) as caller:
        caller.sendall(request(target))
        upstream.await_requests(target, 1)
        eventually("the answer is on its way", lambda: client.call(target).status == 503)
        assert client.call(target).answer == error(503, "more than 1 requests in flight")
        assert receive(caller).status == 200

    assert client.call(target).status == 200, "expected room again"
