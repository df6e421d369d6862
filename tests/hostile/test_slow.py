"""Callers that occupy a worker: by sending slowly, or as much as they can."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import monotonic

from tests.calls import connect, receive, request
from tests.hostile.answers import received
from tests.hostile.conftest import QUICK
from tests.processes import Service


def test_200_slow_headers_and_200_slow_bodies_do_not_slow_other_calls(service: Service) -> None:
    with ExitStack() as stack:
        headers = [stack.enter_context(connect(service.port, b"GET / HTTP/1.1\r\n")) for _ in range(200)]
        body = request("/", "GET", "Content-Length: 30")
        bodies = [stack.enter_context(connect(service.port, body)) for _ in range(200)]
        assert [receive(connection).status for connection in bodies] == [200] * 200

        seconds = []
        for _ in range(20):
            for connection in headers + bodies:
                connection.send(b"x")
            seconds += [service.call(target).seconds for target in ("/healthz", "/")]

        assert sorted(seconds)[-4] < 0.25, f"expected 9 of 10 fast: {seconds}"
        assert max(seconds) < QUICK
        for connection in headers:
            connection.sendall(b": 1\r\n\r\n")
        for connection in bodies:
            connection.sendall(b"x" * 10 + request("/"))
        assert [receive(connection).status for connection in headers + bodies] == [200] * 400


def test_an_endless_body_does_not_slow_other_calls(service: Service) -> None:
    stop = threading.Event()

    def send() -> int:
        sent = 0
        with connect(service.port, request("/", "GET", "Content-Length: 1000000000000")) as connection:
            while not stop.is_set() and sent < 10**10:
                sent += connection.send(bytes(65536))
        return sent

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send)
        until = monotonic() + 2
        seconds = []
        while monotonic() < until:
            seconds.append(service.call("/healthz").seconds)
        stop.set()

        assert sending.result() > 10_000_000
    assert max(seconds) < QUICK


def test_2000_pipelined_requests_do_not_slow_other_calls(service: Service) -> None:
    with connect(service.port) as connection, ThreadPoolExecutor() as pool:
        answers = pool.submit(received, connection)
        connection.sendall(request("/readyz") * 2000)
        connection.shutdown(socket.SHUT_WR)

        assert service.call("/healthz").seconds < QUICK
        assert not answers.done(), "expected to be answered before the rest"
        assert answers.result().count(b"HTTP/1.1 200 OK") == 2000


def test_endless_headers_are_refused_before_they_fill_the_memory(service: Service) -> None:
    unfinished = b"GET / HTTP/1.1\r\n" + (b"X: " + b"x" * 1000 + b"\r\n") * 30

    with connect(service.port, unfinished) as connection:
        assert receive(connection).status == 431
