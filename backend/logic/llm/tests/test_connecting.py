"""How the endpoint is connected to."""

from typing import Any

import gevent.socket
import pytest

from backend.logic.llm.endpoint import Endpoint
from backend.logic.llm.settings import Settings
from backend.logic.llm.tests.scripted_endpoint import Endpoint as ScriptedEndpoint
from backend.logic.llm.tests.scripted_endpoint import completion
from common import dns

SILENT_AND_OPEN = ("::1", "127.0.0.1")


def test_calls_share_a_look_up_of_the_endpoints_name_and_try_all_of_its_addresses(
    monkeypatch: pytest.MonkeyPatch, endpoint: ScriptedEndpoint
) -> None:
    asked = []

    def getaddrinfo(host: str, port: int, **kind: Any) -> list[Any]:
        asked.append(host)
        return [
            each for address in SILENT_AND_OPEN for each in gevent.socket.getaddrinfo(address, port, **kind)
        ]

    monkeypatch.setattr(dns, "getaddrinfo", getaddrinfo)
    endpoint.will_send(completion("hi"))
    url = f"http://models.example:{endpoint.upstream.port}/v1"
    calls = Endpoint(Settings(llm_base_url=url, llm_model="m"))

    for _ in range(3):
        assert b'"hi"' in calls.complete({}, ())
    assert asked == ["models.example"]
