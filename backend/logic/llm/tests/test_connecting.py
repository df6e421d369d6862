"""How the endpoint is connected to."""

import socket
from contextlib import closing
from typing import Any

import gevent.socket
import pytest

from backend.logic.llm.endpoint import Endpoint
from backend.logic.llm.settings import Settings
from common import dns

SILENT = ("::1", "127.0.0.1")


def test_calls_share_a_look_up_of_the_endpoints_name_and_try_all_of_its_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def getaddrinfo(host: str, port: int, **kind: Any) -> list[Any]:
        asked.append(host)
        return [each for address in SILENT for each in gevent.socket.getaddrinfo(address, port, **kind)]

    monkeypatch.setattr(dns, "getaddrinfo", getaddrinfo)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://models.example:{listener.getsockname()[1]}/v1"
        endpoint = Endpoint(Settings(llm_base_url=url, llm_model="m"))
        for _ in range(3):
            with closing(endpoint.connection()) as connection:
                connection.connect()
                assert connection.sock.getpeername()[0] == "127.0.0.1"

    assert asked == ["models.example"]
