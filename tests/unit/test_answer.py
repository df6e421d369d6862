"""The bounds on an answer, and that its connection is always let go."""

from itertools import chain, repeat

import gevent
import pytest

from client.answer import MAX_FRAMING_BYTES, READ_BYTES, Answer
from client.errors import Disconnected, Unreadable
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


class ClosingSocket(FakeSocket):
    """A connection whose other side answers and closes before it has read all."""

    def send(self, data: bytes) -> int:
        return len(data) // 2

    def sendall(self, _: memoryview) -> None:
        raise ConnectionResetError


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


def test_others_have_their_turns_while_an_answer_arrives() -> None:
    sock = FakeSocket(answer(200, bytes(1000 * 100))[: -999 * 100], *[bytes(100)] * 999)
    long, _ = ask(sock)
    turns = []

    def takes_turns() -> None:
        while sock.received:
            turns.append(sock.received)
            gevent.sleep(0)

    other = gevent.spawn(takes_turns)
    long.read()
    other.kill()

    assert len(set(turns)) > 900


def test_an_answer_that_came_before_the_request_was_sent_whole_is_received() -> None:
    early, done = ask(ClosingSocket(answer(413, b"{}")))

    assert (early.status, early.read()) == (413, b"{}")
    assert done == [True], "the pool sees that the connection is closed"


def test_a_connection_that_is_lost_before_the_request_was_sent_whole_is_disconnected() -> None:
    with pytest.raises(Disconnected):
        ask(ClosingSocket())
