"""How the transport connects: one time limit, whatever the addresses, and nothing left open."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import gevent
import pytest

from client.errors import NotConnected
from client.transport import PooledAdapter
from tests.calls import PATIENCE

HTTPS = urlsplit("https://backend:443/")

# Return an adapter for which `backend` has the addresses of these listeners.
Adapter = Callable[..., PooledAdapter]


@pytest.fixture
def listen() -> Iterator[Callable[[], socket.socket]]:
    """Return a function that opens a listener, which never says anything."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(socket.create_server(("127.0.0.1", 0)))


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    def make(*listeners: socket.socket, ca_file: str | None = None) -> PooledAdapter:
        adapter = PooledAdapter(ca_file)
        found = [(each.family, socket.SOCK_STREAM, 0, "", each.getsockname()) for each in listeners]
        monkeypatch.setattr(adapter.dns, "addresses", lambda *_: found)
        return adapter

    return make


def is_closed_by_its_peer(listener: socket.socket) -> bool:
    """Return whether the next connection was closed after what its peer sent."""
    listener.settimeout(PATIENCE)
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(PATIENCE)
        return all(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("end", ["kill", "time limit"])
def test_a_handshake_that_is_ended_from_outside_closes_its_connection(
    adapter: Adapter, listen: Callable[[], socket.socket], end: str
) -> None:
    silent = listen()
    connecting = gevent.spawn(adapter(silent).connect, HTTPS, PATIENCE if end == "kill" else 0.05)

    gevent.sleep(0.05)  # it should be in its handshake
    if end == "kill":
        connecting.kill(block=False)
    connecting.join(PATIENCE)
    gevent.sleep(0)  # gevent closes a socket in its loop's next turn

    assert is_closed_by_its_peer(silent), "expected while its exception still refers to it"


def test_ca_certificates_that_could_not_be_read_are_read_again(
    adapter: Adapter, listen: Callable[[], socket.socket], tmp_path: Path
) -> None:
    connecting = adapter(listen(), ca_file=str(tmp_path / "missing.pem"))

    for _ in range(2):
        with pytest.raises(NotConnected, match="No such file"):
            connecting.connect(HTTPS, 0.05)
