"""Callers who hang up while the backend works for them: the client leaves it, and it stops, too."""

import socket
import threading
from collections.abc import Callable
from time import monotonic, sleep

import pytest

from common.serving.hang_ups import INTERVAL, WATCHED_AFTER
from tests.calls import JSON, LEFT_MARGIN, LEFT_WITHIN, PATIENCE, connect, request
from tests.hostile.answers import received, split
from tests.processes import Service
from tests.scripted_backend import HELLO, ScriptedBackend


def hang_up(connection: socket.socket) -> None:
    connection.close()


def stop_sending(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def hang_up_after_another_request(connection: socket.socket) -> None:
    connection.sendall(request("/"))
    connection.close()


@pytest.mark.parametrize("ends", [hang_up, stop_sending, hang_up_after_another_request])
def test_the_backend_is_left_once_the_caller_has_hung_up(
    client: Service,
    upstream: ScriptedBackend,
    ends: Callable[[socket.socket], None],
) -> None:
    left = threading.Event()

    def behave(connection: socket.socket) -> None:
        assert connection.recv(1) == b""
        left.set()

    target = upstream.will(behave)
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    traceparent = f"traceparent: 00-{trace_id}-00f067aa0ba902b7-01"
    with connect(client.port, request(target, "POST", JSON, traceparent, body=b"{}")) as caller:
        upstream.await_requests(target, 1)
        assert not left.wait(0.5), "expected the client to wait for as long as its caller does"
        ended = monotonic()
        ends(caller)
        assert left.wait(PATIENCE)
        assert monotonic() - ended < LEFT_WITHIN + LEFT_MARGIN

    assert client.requests(
        method="POST", path="/", query_bytes=len(target) - 2, status=499, trace_id=trace_id
    )


def test_client_and_backend_have_both_looked_within_half_a_second() -> None:
    assert WATCHED_AFTER + 2 * INTERVAL < LEFT_WITHIN


def test_a_caller_who_sends_his_next_request_has_not_hung_up(
    client: Service, upstream: ScriptedBackend
) -> None:
    def behave(connection: socket.socket) -> bool:
        sleep(0.5)  # longer than it takes to notice a hang-up
        connection.sendall(HELLO)
        return True

    target = upstream.will(behave)
    with connect(client.port, request(target) + request(target, "GET", "Connection: close")) as caller:
        assert [status for status, *_ in split(received(caller))] == [200, 200]
