import random
from collections.abc import Iterator

import gevent
import pytest
from gevent.socket import socket, socketpair

from common.serving.corked import CorkedSocket
from tests.calls import PATIENCE

Ends = tuple[CorkedSocket, socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A corked socket that sends for at most a second, and the other end, which does not block."""
    ours, theirs = socketpair()
    with ours, theirs:
        theirs.settimeout(0)
        yield CorkedSocket(ours, send_timeout=1), theirs


def test_headers_wait_for_the_body_and_go_with_its_start(ends: Ends) -> None:
    corked, other = ends

    corked.sendall(b"headers ")
    with pytest.raises(BlockingIOError):
        other.recv(100)
    corked.sendall(b"start ")
    assert other.recv(100) == b"headers start "
    corked.sendall(b"rest")
    assert other.recv(100) == b"rest"


def test_headers_without_a_body_are_sent_at_the_end_and_once(ends: Ends) -> None:
    corked, other = ends

    corked.sendall(b"headers")
    corked.flush()
    corked.flush()

    assert other.recv(100) == b"headers"


def test_headers_are_sent_before_anything_else_is_done_with_the_socket(ends: Ends) -> None:
    corked, other = ends

    corked.sendall(b"headers ")
    corked.send(b"something")

    assert other.recv(100) == b"headers something"


def test_an_answer_larger_than_the_buffers_arrives_whole(ends: Ends) -> None:
    corked, other = ends
    other.settimeout(PATIENCE)
    body = random.randbytes(5_000_000)
    corked.sendall(b"headers ")

    sending = gevent.spawn(corked.sendall, body)
    received = b""
    while len(received) < 8 + len(body):
        received += other.recv(1_000_000)

    assert received == b"headers " + body
    sending.get(timeout=PATIENCE)


def test_a_caller_that_does_not_read_is_given_up(ends: Ends) -> None:
    corked, _ = ends
    corked.sendall(b"headers ")

    with pytest.raises(BrokenPipeError, match="did not read its answer for 1 s"):
        corked.sendall(bytes(5_000_000))
