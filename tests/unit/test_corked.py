"""A corked socket holds the headers back and sends them with the body."""

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
    """A corked socket with a send timeout of a second, and the non-blocking other end."""
    ours, theirs = socketpair()
    with ours, theirs:
        theirs.settimeout(0)
        corked = CorkedSocket(ours, send_timeout=1)
        corked.cork()
        yield corked, theirs


def test_headers_are_sent_together_with_the_start_of_the_body(ends: Ends) -> None:
    corked, other = ends

    corked.sendall(b"headers ")
    with pytest.raises(BlockingIOError):
        other.recv(100)
    corked.sendall(b"start ")
    assert other.recv(100) == b"headers start "
    corked.sendall(b"rest")
    assert other.recv(100) == b"rest"


def test_flush_sends_headers_without_a_body_once(ends: Ends) -> None:
    corked, other = ends

    corked.sendall(b"headers")
    corked.flush()
    corked.flush()

    assert other.recv(100) == b"headers"


def test_headers_are_sent_before_any_other_use_of_the_socket(ends: Ends) -> None:
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


def test_sending_to_a_caller_that_does_not_read_times_out(ends: Ends) -> None:
    corked, _ = ends
    corked.sendall(b"headers ")

    with pytest.raises(BrokenPipeError, match="did not read its answer for 1 s"):
        corked.sendall(bytes(5_000_000))


def test_what_is_no_answer_is_not_held_back(ends: Ends) -> None:
    corked, other = ends

    assert corked.send(b"100 Continue") == 12

    assert other.recv(100) == b"100 Continue"


def test_a_caller_that_does_not_read_is_given_up_before_its_answer_too(ends: Ends) -> None:
    corked, _ = ends

    with pytest.raises(BrokenPipeError, match="did not read its answer for 1 s"):
        corked.send(bytes(5_000_000))  # a 100 Continue where the buffers are full
