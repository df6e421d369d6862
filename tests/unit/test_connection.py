"""What a worker holds of the requests that its callers have not finished, and for how long."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import gevent
import pytest
from gevent.socket import socket, socketpair
from gunicorn.config import Config

from common.budget import BUFFERED
from common.serving import connection as connection_module
from common.serving.access_log import AccessLogger
from common.serving.connection import Connection
from common.serving.connections import MANY, OVERHEAD, Connections
from common.serving.log_lines import LogLines
from common.serving.log_stream import LogStream
from common.serving.overload import Overload
from common.serving.request_limits import MAX_HEAD_BYTES, MAX_REQUEST_LINE_BYTES, TooManyBytes
from tests.calls import PATIENCE, request

Open = Callable[[], tuple[Connection, socket]]
HEAD = request("/")


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what answers count that other tests have not closed."""
    monkeypatch.setattr(BUFFERED, "held", 0)


@pytest.fixture
def connections() -> Connections:
    return Connections(limit=8, idle_timeout=PATIENCE)


@pytest.fixture
def overload() -> Overload:
    return Overload(
        "backend",
        lambda _: False,
        AccessLogger(Config(), LogStream(1, LogLines("backend", "pod", is_json=True))),
    )


@pytest.fixture
def opened(connections: Connections, overload: Overload) -> Iterator[Open]:
    """Open a connection; both of its ends are closed at the end."""
    with ExitStack() as stack:

        def connect() -> tuple[Connection, socket]:
            ours, theirs = socketpair()
            stack.callback(theirs.close)
            connection = Connection(ours, ("", 0), connections, overload, send_timeout=PATIENCE)
            stack.callback(connection.close)
            return connection, theirs

        yield connect
    assert BUFFERED.held == 0
    assert not connections.open
    assert not any(connections.unfinished)


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> int:
    """Few bytes, so that they are soon used up."""
    monkeypatch.setattr(BUFFERED, "limit", 50_000 + 2 * OVERHEAD)
    return 50_000


def reading(connection: Connection) -> "gevent.Greenlet[bytes]":
    """A greenlet that waits for the connection's next head."""
    it = gevent.spawn(connection.read_head)
    it.link_exception(lambda _: None)
    gevent.sleep(0)
    return it


def send(caller: socket, data: bytes) -> None:
    """Send it and let the reader have its turn."""
    caller.sendall(data)
    gevent.sleep(0.01)


def test_a_head_is_returned_once_it_is_complete_and_without_what_follows(opened: Open) -> None:
    connection, caller = opened()
    reader = reading(connection)

    for byte in HEAD[:-1]:
        caller.sendall(bytes([byte]))
        gevent.sleep(0)
        assert not reader.ready()
    caller.sendall(HEAD[-1:] + b"body")

    assert reader.get(timeout=PATIENCE) == HEAD
    assert connection.recv(100) == b"body"


def test_each_of_many_heads_at_once_is_returned_by_itself(opened: Open) -> None:
    connection, caller = opened()
    caller.sendall(HEAD * 3)

    assert [connection.read_head() for _ in range(3)] == [HEAD] * 3


@pytest.mark.parametrize("ends", [socket.close, lambda caller: caller.shutdown(1)])
def test_half_a_head_is_nothing_once_the_caller_has_left(
    opened: Open, ends: Callable[[socket], None]
) -> None:
    connection, caller = opened()
    reader = reading(connection)
    send(caller, HEAD[:-1])

    ends(caller)

    assert reader.get(timeout=PATIENCE) == b""


def test_what_has_arrived_is_read_also_after_the_end(opened: Open) -> None:
    connection, caller = opened()
    reader = reading(connection)
    caller.sendall(HEAD)

    connection.end()

    assert reader.get(timeout=PATIENCE) == HEAD


@pytest.mark.parametrize(
    "hopeless",
    [
        b"GET /" + b"x" * (MAX_REQUEST_LINE_BYTES + 8192),
        b"GET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD_BYTES + 8192),
        b"\r\nGET / HTTP/1.1\r\nX: " + b"x" * (MAX_HEAD_BYTES + 8192),
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/1.1\r\nX: 1\r\nX: 2\n",
    ],
    ids=lambda data: str(data[:22]),
)
def test_what_cannot_become_a_head_is_returned_to_be_refused(opened: Open, hopeless: bytes) -> None:
    connection, caller = opened()

    caller.sendall(hopeless)

    assert hopeless.startswith(connection.read_head())


def test_the_wait_for_the_first_byte_has_its_own_limit(
    opened: Open, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "idle_timeout", 0)
    idle, _ = opened()
    busy, caller = opened()
    readers = [reading(idle), reading(busy)]
    send(caller, HEAD[:-1])

    connections.end_late()

    assert readers[0].get(timeout=PATIENCE) == b""
    send(caller, HEAD[-1:])
    assert readers[1].get(timeout=PATIENCE) == HEAD


def test_a_head_must_arrive_in_time(
    opened: Open, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "HEAD_TIMEOUT", 0)
    connection, caller = opened()
    reader = reading(connection)
    send(caller, HEAD[:-1])

    connections.end_late()

    assert reader.get(timeout=PATIENCE) == b""


def with_head_read(opened: Open, sent: bytes) -> tuple[Connection, socket]:
    """Return a connection and its caller, once the head of what he sent has been read."""
    connection, caller = opened()
    caller.sendall(sent)
    connection.read_head()
    return connection, caller


def test_a_body_must_arrive_in_time(
    opened: Open, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "BODY_TIMEOUT", 0)
    connection, _ = with_head_read(opened, HEAD)
    reader = gevent.spawn(connection.recv, 100)
    gevent.sleep(0)

    connections.end_late()

    assert reader.get(timeout=PATIENCE) == b""


def test_a_body_that_never_pauses_must_arrive_in_time_and_its_rest_is_not_a_request(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "BODY_TIMEOUT", 0)
    connection, _ = with_head_read(opened, HEAD + b"body" + HEAD)
    assert connection.recv(4) == b"body"

    assert connection.recv(2) == b""
    assert connection.read_head() == b""


def test_the_time_limit_of_a_body_does_not_hold_while_it_is_answered(
    opened: Open, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "BODY_TIMEOUT", 0)
    connection, caller = with_head_read(opened, HEAD)
    reader = gevent.spawn(connection.recv, 4)
    gevent.sleep(0)
    caller.sendall(b"body")
    assert reader.get(timeout=PATIENCE) == b"body"

    connections.end_late()
    send(caller, HEAD)

    assert connection.read_head() == HEAD


def test_the_largest_unfinished_request_makes_room(opened: Open, budget: int) -> None:
    small, small_caller = opened()
    large, large_caller = opened()
    other, other_caller = opened()
    readers = [reading(small), reading(large), reading(other)]
    send(small_caller, b"GET /" + b"x" * 10_000)
    send(large_caller, b"GET /" + b"x" * 35_000)
    assert BUFFERED.held > budget - 8000

    send(other_caller, b"GET /" + b"x" * 10_000)

    with pytest.raises(TooManyBytes):
        readers[1].get(timeout=PATIENCE)
    assert BUFFERED.held == 20_010 + 2 * OVERHEAD, "expected the other two to be kept"
    for caller in (small_caller, other_caller):
        send(caller, b" HTTP/1.1\r\n\r\n")
    assert all(readers[at].get(timeout=PATIENCE).endswith(b"\r\n\r\n") for at in (0, 2))


def test_what_is_larger_than_all_others_makes_room_itself(opened: Open, budget: int) -> None:
    small, small_caller = opened()
    large, large_caller = opened()
    readers = [reading(small), reading(large)]
    send(small_caller, b"GET /" + b"x" * 100)

    send(large_caller, b"GET /" + b"x" * budget)

    with pytest.raises(TooManyBytes):
        readers[1].get(timeout=PATIENCE)
    assert not readers[0].ready()


def test_a_body_that_was_not_asked_for_counts_until_it_is_thrown_away(opened: Open) -> None:
    connection, _ = with_head_read(opened, HEAD + b"x" * 3000)

    assert BUFFERED.held == 3000 + OVERHEAD
    assert len(connection.recv(2000)) == 2000
    assert BUFFERED.held == 3000 + OVERHEAD
    connection.connections.hold(connection, 0)
    assert BUFFERED.held == 0


def test_the_oldest_of_too_many_that_rest_makes_room(opened: Open) -> None:
    readers = [reading(opened()[0]) for _ in range(8)]

    gevent.joinall(readers[:1], timeout=PATIENCE)

    assert [reader.ready() for reader in readers] == [True, *[False] * 7]


def test_a_request_is_answered_whose_new_connection_makes_room_before_its_turn(opened: Open) -> None:
    accepted = []
    for _ in range(10):
        connection, caller = opened()
        caller.sendall(HEAD)
        accepted.append(connection)

    assert [connection.read_head() for connection in accepted] == [HEAD] * 10


def test_callers_are_told_to_close_before_any_connection_is(opened: Open, connections: Connections) -> None:
    for _ in range(4):
        opened()
    assert not connections.are_many()

    opened()

    assert connections.are_many()


def test_memory_is_given_back_once_after_many_connections_were_closed(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    trims: list[int] = []
    monkeypatch.setattr("ctypes.CDLL", lambda _: SimpleNamespace(malloc_trim=trims.append))

    for most, closed in ((MANY, MANY), (3 * MANY, MANY), (3 * MANY, 2 * MANY)):
        connections.most = most
        connections.open = set(range(most - closed))  # type: ignore[arg-type]
        connections.trim_memory()
        connections.trim_memory()

    connections.open.clear()
    assert trims == [0]
