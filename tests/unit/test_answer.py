"""The bounds on an answer, and that its connection is always let go."""

from itertools import chain, repeat

import pytest

from client.answer import MAX_FRAMING_BYTES, READ_BYTES, Answer
from client.errors import Unreadable
from tests.scripted_backend import answer

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class FakeSocket:
    """A connection on which these pieces arrive, however fast they are read."""

    def __init__(self, *pieces: bytes, then: bytes = b"") -> None:
        self.pieces = chain(pieces, repeat(then))
        self.received = 0

    def send(self, data: bytes) -> int:
        return len(data)

    def recv(self, size: int) -> bytes:
        piece = next(self.pieces)
        assert len(piece) <= size
        self.received += len(piece)
        return piece


def ask(sock: FakeSocket) -> tuple[Answer, list[bool]]:
    """Return the answer once its head has arrived, and what `done` was called with until now."""
    done: list[bool] = []
    it = Answer(sock, "GET", done.append)
    it.exchange(b"GET / HTTP/1.1\r\n\r\n")
    return it, done


def test_trailers_are_bounded_also_after_a_large_body() -> None:
    chunks = [b"%x\r\n%b\r\n" % (10_000, bytes(10_000))] * 100
    sock = FakeSocket(CHUNKED, *chunks, b"0\r\nX: ", then=b"y" * READ_BYTES)
    endless, done = ask(sock)

    with pytest.raises(Unreadable):
        endless.read()

    assert done == [False]
    assert sock.received < sum(map(len, chunks)) + MAX_FRAMING_BYTES + 2 * READ_BYTES


def test_a_body_that_cannot_be_decoded_closes_its_connection() -> None:
    sent = answer(200, b"no gzip" * 10_000, "Content-Encoding: gzip")
    broken, done = ask(FakeSocket(sent[:READ_BYTES]))

    with pytest.raises(Unreadable):
        broken.read()

    assert done == [False]
