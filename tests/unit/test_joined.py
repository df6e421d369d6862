import random
from collections.abc import Iterator

import gevent
import pytest
from gevent.socket import socket, socketpair

from common.joined import Joined
from tests.calls import PATIENCE

Ends = tuple[Joined, socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A joined socket with a second's patience, and the other end, which does not wait."""
    ours, theirs = socketpair()
    with ours, theirs:
        theirs.settimeout(0)
        yield Joined(ours, patience=1), theirs


def test_headers_wait_for_the_body_and_go_with_its_start(ends: Ends) -> None:
    joined, other = ends

    joined.sendall(b"headers ")
    with pytest.raises(BlockingIOError):
        other.recv(100)
    joined.sendall(b"start ")
    assert other.recv(100) == b"headers start "
    joined.sendall(b"rest")
    assert other.recv(100) == b"rest"


def test_headers_without_a_body_are_sent_at_the_end_and_once(ends: Ends) -> None:
    joined, other = ends

    joined.sendall(b"headers")
    joined.flush()
    joined.flush()

    assert other.recv(100) == b"headers"


def test_headers_are_sent_before_anything_else_is_done_with_the_socket(ends: Ends) -> None:
    joined, other = ends

    joined.sendall(b"headers ")
    joined.send(b"something")

    assert other.recv(100) == b"headers something"


def test_an_answer_larger_than_the_buffers_arrives_whole(ends: Ends) -> None:
    joined, other = ends
    other.settimeout(PATIENCE)
    body = random.randbytes(5_000_000)
    joined.sendall(b"headers ")

    sending = gevent.spawn(joined.sendall, body)
    received = b""
    while len(received) < 8 + len(body):
        received += other.recv(1_000_000)

    assert received == b"headers " + body
    sending.get(timeout=PATIENCE)


def test_a_caller_that_does_not_read_is_given_up(ends: Ends) -> None:
    joined, _ = ends
    joined.sendall(b"headers ")

    with pytest.raises(BrokenPipeError, match="did not read its answer for 1 s"):
        joined.sendall(bytes(5_000_000))
