"""How the transport connects: to any of a host's addresses, in time, and leaving nothing open."""

import gc
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import gevent
import pytest

from client.errors import NotConnected
from client.transport import PooledAdapter
from common.dns import AddressInfo
from tests.calls import PATIENCE, connect
from tests.processes import free_port

HTTP, HTTPS = urlsplit("http://backend/"), urlsplit("https://backend/")
UNSUPPORTED: AddressInfo = (socket.AF_UNIX, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", "")

# Return an adapter for which every host has these addresses.
Adapter = Callable[..., PooledAdapter]


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    def make(*addresses: AddressInfo, ca_file: str | None = None) -> PooledAdapter:
        adapter = PooledAdapter(ca_file)
        monkeypatch.setattr(adapter.dns, "addresses", lambda *_: list(addresses))
        return adapter

    return make


def info(port: int) -> AddressInfo:
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A listener that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def hanging() -> Iterator[AddressInfo]:
    """An address that never answers: its backlog is full, so the system drops further SYNs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as it, connect(port := it.getsockname()[1]):
        yield info(port)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_time_limit_holds_for_all_addresses_together(
    adapter: Adapter, hanging: AddressInfo, number: int
) -> None:
    connecting = adapter(*[hanging] * number)

    with gevent.Timeout(PATIENCE), pytest.raises(NotConnected, match=r"not connected within 0\.2 s"):
        connecting.connect(HTTP, 0.2)


@pytest.mark.parametrize("bad", ["hangs", "refuses", "is of a family that the system does not have"])
def test_the_next_address_is_tried_where_one(
    adapter: Adapter, silent: socket.socket, hanging: AddressInfo, bad: str
) -> None:
    first = {"hangs": hanging, "refuses": info(free_port())}.get(bad, UNSUPPORTED)

    connection = adapter(first, info(silent.getsockname()[1])).connect(HTTP, 1.0)

    with connection.sock as sock:
        assert sock.getpeername() == silent.getsockname()


def test_the_first_address_that_takes_a_connection_is_used(
    adapter: Adapter, silent: socket.socket, hanging: AddressInfo
) -> None:
    connection = adapter(UNSUPPORTED, info(silent.getsockname()[1]), hanging).connect(HTTP, 1.0)

    with connection.sock as sock:
        assert sock.getpeername() == silent.getsockname()


def test_a_failure_to_connect_leaves_nothing_to_the_garbage_collector(adapter: Adapter) -> None:
    connecting = adapter(UNSUPPORTED, info(free_port()))
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(NotConnected):
            connecting.connect(HTTP, 1.0)
        assert gc.collect() == 0
    finally:
        gc.enable()


def is_closed_by_its_peer(listener: socket.socket) -> bool:
    """Return whether the next connection was closed after what its peer sent."""
    listener.settimeout(PATIENCE)
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(PATIENCE)
        return all(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("end", ["kill", "time limit"])
def test_a_handshake_that_is_ended_from_outside_closes_its_connection(
    adapter: Adapter, silent: socket.socket, end: str
) -> None:
    connecting = adapter(info(silent.getsockname()[1]))
    handshake = gevent.spawn(connecting.connect, HTTPS, PATIENCE if end == "kill" else 0.05)

    gevent.sleep(0.05)
    if end == "kill":
        handshake.kill(block=False)
    handshake.join(PATIENCE)
    gevent.sleep(0)  # gevent closes a socket in its loop's next turn

    assert is_closed_by_its_peer(silent), "expected while its exception still refers to it"


def test_ca_certificates_that_could_not_be_read_are_read_again(
    adapter: Adapter, silent: socket.socket, tmp_path: Path
) -> None:
    connecting = adapter(info(silent.getsockname()[1]), ca_file=str(tmp_path / "missing.pem"))

    for _ in range(2):
        with pytest.raises(NotConnected, match="No such file"):
            connecting.connect(HTTPS, PATIENCE)
