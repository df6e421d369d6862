"""How long a call takes in all, its retries included."""

import socket
from time import sleep
from types import SimpleNamespace

import gevent
import pytest

from client import upstream as upstream_module
from client.errors import BrokenOff, TooSlow
from client.settings import Settings
from client.upstream import Upstream
from tests.scripted_backend import ScriptedBackend, sends


def test_retries_share_one_time_limit(upstream: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "MAX_CONNECT_SECONDS", 0.5)
    client = Upstream(Settings.from_environ({"URL": f"127.0.0.1:{upstream.port}", "ANSWER_TIMEOUT": "1"}))

    def breaks_off_late(_: socket.socket) -> None:
        sleep(0.9)

    target = upstream.will(breaks_off_late)

    with pytest.raises(TooSlow):  # after 1.5 s, in its second try; the third would end after 2.7 s
        client.call("GET", "/", target.removeprefix("/?").encode())
    client.adapter.close()


def test_the_pauses_between_tries_are_short(
    upstream: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    fake = SimpleNamespace(Timeout=gevent.Timeout, sleep=pauses.append)
    monkeypatch.setattr(upstream_module, "gevent", fake)
    client = Upstream(Settings.from_environ({"URL": f"127.0.0.1:{upstream.port}"}))
    target = upstream.will(sends(b""))

    with pytest.raises(BrokenOff):
        client.call("GET", "/", target.removeprefix("/?").encode())
    client.adapter.close()

    assert pauses == [0.02, 0.04]
