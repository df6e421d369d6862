"""Callers that occupy a worker: by sending slowly, or as much as they can."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from select import select

from common.serving.request_limits import MAX_DISCARDED_BYTES
from tests.calls import JSON, connect, receive, request
from tests.hostile.answers import received
from tests.hostile.conftest import QUICK
from tests.processes import Service


def test_200_slow_headers_and_200_slow_bodies_do_not_slow_other_calls(service: Service) -> None:
    with ExitStack() as stack:
        headers = [stack.enter_context(connect(service.port, b"GET / HTTP/1.1\r\n")) for _ in range(200)]
        bodies = []
        for _ in range(200):
            bodies.append(
                stack.enter_context(connect(service.port, request("/", "GET", "Content-Length: 30")))
            )
            assert receive(bodies[-1]).status == 200

        seconds = []
        for _ in range(20):
            for connection in headers + bodies:
                connection.send(b"x")
            seconds += [service.call(target).seconds for target in ("/healthz", "/")]

        assert sorted(seconds)[-4] < 1, f"expected 9 of 10 fast: {seconds}"
        assert max(seconds) < QUICK
        for at in range(0, 200, 20):  # a few at a time: more could be too many for a busy machine
            some = headers[at : at + 20] + bodies[at : at + 20]
            for connection in some[:20]:
                connection.sendall(b": 1\r\n\r\n")
            for connection in some[20:]:
                connection.sendall(b"x" * 10 + request("/"))
            assert [receive(connection).status for connection in some] == [200] * 40


def test_an_endless_body_is_cut_off_and_does_not_slow_other_calls(service: Service) -> None:
    def send() -> int:
        sent = 0
        endless = request("/", "GET", "Content-Length: 1000000000000")
        with connect(service.port, endless) as connection, suppress(ConnectionError):
            while sent < 10**9:
                sent += connection.send(bytes(65536))
        return sent

    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send)
        seconds = [service.call("/healthz").seconds]
        while not sending.done():
            seconds.append(service.call("/healthz").seconds)

        # The system holds some megabytes more.
        assert MAX_DISCARDED_BYTES < sending.result() < 2 * MAX_DISCARDED_BYTES
    assert max(seconds) < QUICK


def test_a_body_in_tiny_chunks_does_not_slow_other_calls(service: Service) -> None:
    chunks = b"1;a=b\r\n \r\n" * 100_000 + b"2\r\n{}\r\n0\r\n\r\n"
    with connect(service.port, request("/orders", "POST", JSON, "Transfer-Encoding: chunked")) as connection:
        connection.settimeout(60)
        connection.sendall(chunks)

        assert service.call("/healthz").status == 200
        assert not select([connection], [], [], 0)[0], "expected to be answered before the rest"
        assert receive(connection).status in (200, 201)


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
