"""A backend that is late, or breaks off: how long the client waits and how often it tries."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.calls import Reply, error
from tests.contract.test_endless_answers import ANSWER_TIMEOUT, NOISE
from tests.processes import Service
from tests.scripted_backend import (
    HELLO,
    Behaviour,
    ScriptedBackend,
    as_json,
    hangs_after,
    sends,
    sends_and_stays,
)

TOO_SLOW = error(504, "backend did not answer within 1.5 s")
BROKEN_OFF = error(502, "backend broke off its answer")
HELLO_CLIENT = {"status_code": 200, "message": "hello", "source": "client"}
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
PARTS = {
    "before the answer": b"",
    "inside the headers": HELLO[:40],
    "inside the body": HELLO[:-10],
    "inside a chunk": CHUNKED + b'20\r\n{"mess',
    "between chunks": CHUNKED + b'6\r\n{"mess\r\n',
}
each_part = pytest.mark.parametrize("sent", PARTS.values(), ids=PARTS)


def trickles(data: bytes) -> Behaviour:
    """Send a byte every tenth of a second, so that no single wait is long."""

    def behave(connection: socket.socket) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    return behave


def resets(data: bytes) -> Behaviour:
    """Send it and reset the connection instead of closing it."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(data)
        linger_for_0_s = b"\1\0\0\0\0\0\0\0"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_0_s)
        connection.close()

    return behave


LATE = {f"hangs {where}": hangs_after(sent) for where, sent in PARTS.items()} | {
    "trickles headers": trickles(HELLO),
    "trickles chunks": trickles(CHUNKED + b'1\r\n{\r\n1\r\n"\r\n' * 20),
}


@pytest.fixture(scope="module")
def late(impatient: Service, upstream: ScriptedBackend) -> dict[str, tuple[Reply, str]]:
    """Return the answers from late backends and their targets; all wait at once, each for the whole limit."""
    targets = {how: upstream.will(behaviour) for how, behaviour in LATE.items()}
    with ThreadPoolExecutor(len(LATE)) as callers:
        replies = {how: callers.submit(impatient.call, target) for how, target in targets.items()}
    return {how: (replies[how].result(), target) for how, target in targets.items()}


@pytest.mark.parametrize("how", LATE)
def test_a_backend_that_is_late_is_a_504_in_time_and_not_asked_again(
    late: dict[str, tuple[Reply, str]], upstream: ScriptedBackend, how: str
) -> None:
    reply, target = late[how]

    assert reply.answer == TOO_SLOW
    assert ANSWER_TIMEOUT <= reply.seconds < ANSWER_TIMEOUT + NOISE
    assert len(upstream.seen(target)) == 1, "a late answer must not be asked for again"


@pytest.mark.parametrize("break_off", [sends, resets], ids=["closes", "resets"])
@each_part
def test_a_backend_that_always_breaks_off_is_a_502(
    client: Service, upstream: ScriptedBackend, sent: bytes, break_off: Callable[[bytes], Behaviour]
) -> None:
    target = upstream.will(break_off(sent))

    reply = client.call(target)

    assert reply.answer == BROKEN_OFF
    assert len(upstream.seen(target)) == 3


@pytest.mark.parametrize("break_off", [sends, resets], ids=["closes", "resets"])
@each_part
def test_an_answer_broken_off_once_is_asked_for_again(
    client: Service, upstream: ScriptedBackend, sent: bytes, break_off: Callable[[bytes], Behaviour]
) -> None:
    target = upstream.will(break_off(sent), sends(HELLO))

    assert client.call(target).answer == (200, HELLO_CLIENT)
    assert len(upstream.seen(target)) == 2


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"SSH-2.0-OpenSSH_9.9\r\n", id="another protocol"),
        pytest.param(b"\0" * 1000 + b"\r\n", id="zeros"),
        pytest.param(b"HTTP/1.1 999999 Hm\r\n\r\n", id="an impossible status"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\n", id="too many headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", id="too long a header"),
        pytest.param(CHUNKED + b"hello\r\n", id="no chunk"),
    ],
)
def test_an_answer_that_is_not_http_is_a_502(client: Service, upstream: ScriptedBackend, sent: bytes) -> None:
    target = upstream.will(sends(sent))

    status, content = client.call(target).answer

    assert (status, content) in (BROKEN_OFF, error(502, "backend's answer is not readable"))
    assert len(upstream.seen(target)) <= 3


def test_calls_share_a_connection(client: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(sends_and_stays(HELLO))

    answers = [client.call(target).answer for _ in range(5)]

    assert answers == [(200, HELLO_CLIENT)] * 5
    assert len(set(upstream.connections_of(target))) <= 2, "expected no more than one to expire"


def closes_as_stale(connection: socket.socket) -> None:
    """Close at the next request, as a server does that closed the idle connection a moment before it."""
    connection.close()


def test_a_connection_that_turns_out_to_be_closed_is_replaced(
    client: Service, upstream: ScriptedBackend
) -> None:
    client.call(upstream.will(sends_and_stays(HELLO)))
    target = upstream.will(closes_as_stale, sends(HELLO))

    assert client.call(target).answer == (200, HELLO_CLIENT)
    old, new = upstream.connections_of(target)
    assert old is not new


def test_a_connection_that_was_closed_while_idle_is_not_used(
    client: Service, upstream: ScriptedBackend
) -> None:
    def closes_after_answering(connection: socket.socket) -> None:
        connection.sendall(HELLO)  # without `Connection: close`

    client.call(upstream.will(closes_after_answering))
    target = upstream.will(sends(HELLO))

    assert client.call(target).answer == (200, HELLO_CLIENT)
    assert len(upstream.seen(target)) == 1


def test_unread_bytes_do_not_answer_the_next_call(client: Service, upstream: ScriptedBackend) -> None:
    extra = as_json(200, {"message": "another caller's"})
    client.call(upstream.will(sends_and_stays(HELLO + extra)))

    assert client.call(upstream.will(sends(HELLO))).answer == (200, HELLO_CLIENT)
