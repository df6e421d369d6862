"""When a client that has just started is ready for traffic."""

import socket
from time import monotonic

import pytest
from werkzeug.exceptions import ServiceUnavailable

from client.settings import Settings
from client.upstream import REACHED_WITHIN, Upstream


def test_a_client_is_ready_once_it_has_reached_its_backend_or_the_first_seconds_are_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = monotonic()
    monkeypatch.setattr("client.upstream.monotonic", lambda: now)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # without listen() the system refuses connections
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        upstream, other = Upstream(Settings(url=url)), Upstream(Settings(url=url))
        with pytest.raises(ServiceUnavailable, match="backend not reached yet"):
            upstream.check_reached()
        listener.listen()
        upstream.check_reached()
        upstream.adapter.close()
    upstream.check_reached()  # whether it is there does not matter any more

    now += REACHED_WITHIN - 0.1
    with pytest.raises(ServiceUnavailable):
        other.check_reached()
    now += 0.2
    other.check_reached()
