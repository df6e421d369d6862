"""How long a call takes in all, its retries included."""

import socket
from time import sleep

import pytest

from client import upstream as upstream_module
from client.errors import TooSlow
from client.settings import Settings
from client.upstream import Upstream
from tests.scripted_backend import ScriptedBackend


def test_retries_share_one_time_limit(upstream: ScriptedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "MAX_CONNECT_SECONDS", 0.1)
    client = Upstream(Settings.from_environ({"URL": f"127.0.0.1:{upstream.port}", "ANSWER_TIMEOUT": "1"}))

    def breaks_off_late(_: socket.socket) -> None:
        sleep(0.6)

    target = upstream.will(breaks_off_late)

    with pytest.raises(TooSlow):  # after 1.1 s, in its second try; the third would end after 1.8 s
        client.call("GET", "/", target.removeprefix("/?").encode())
    client.adapter.close()
