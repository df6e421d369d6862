"""A client, a backend that answers as a test says and describes itself, and a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.page.browser import chromium
from tests.processes import Service, running
from tests.scripted_backend import ScriptedBackend, as_json, sends, serving

PODS = {
    "client": "k8s.pod.name=client-5d9c7f-x2kqp,k8s.node.name=kind-worker",
    "backend": "X-Served-By: backend-7c44d-9wzrt kind-worker2",
}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "backend", "version": "1"},
    "paths": {
        "/": {
            "get": {
                "parameters": [
                    {
                        "name": "limit",
                        "in": "query",
                        "description": "How many.",
                        "schema": {"type": "integer", "minimum": 1, "maximum": 100},
                        "example": 20,
                    },
                    {"name": "mode", "in": "query", "schema": {"type": "string", "enum": ["fast", "slow"]}},
                    {"name": "prompt", "in": "query", "schema": {"type": "string", "maxLength": 4000}},
                ],
                "responses": {},
            }
        },
        "/orders": {"get": {"parameters": [], "responses": {}}},
        "/orders/{key}": {"get": {"parameters": [], "responses": {}}},
    },
}


@pytest.fixture(scope="package")
def described() -> Iterator[ScriptedBackend]:
    with serving() as scripted:
        scripted.behaviours[b""] = (sends(as_json(200, DOCUMENT)),)
        yield scripted


@pytest.fixture(scope="package")
def client(described: ScriptedBackend) -> Iterator[Service]:
    url = f"127.0.0.1:{described.port}"
    with running("client", URL=url, ANSWER_TIMEOUT="1.5", OTEL_RESOURCE_ATTRIBUTES=PODS["client"]) as it:
        yield it
        assert "Traceback" not in it.log, it.log


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as it:
        yield it
