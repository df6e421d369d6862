from collections.abc import Iterator
from socket import socket, socketpair

import pytest

from common.joined import Joined

Ends = tuple[Joined, socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A joined socket, and the other end, which does not wait."""
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
