"""What `llm` describes at /openapi.json is what it does."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend.app import create_app
from backend.logic.llm.settings import Settings
from backend.logic.llm.tests.scripted_endpoint import END, STREAM, Endpoint, chunk, completion
from tests.calls import JSON
from tests.conftest import RecordProperty
from tests.described import FEW, MANY, conforms, described_routes, responses, routes
from tests.event_streams import reading
from tests.processes import Service
from tests.scripted_backend import as_json

HOOKS = "backend.logic.llm.tests.hooks"


@pytest.mark.parametrize("examples", [FEW, MANY])
def test_the_model_is_asked_as_described(
    client: Service,
    endpoint: Endpoint,
    tmp_path: Path,
    examples: int,
    record_property: RecordProperty,
) -> None:
    endpoint.will_send(completion("four"))

    record_property("sent", conforms(client, tmp_path, examples, HOOKS))


@pytest.mark.full
def test_the_backend_alone_answers_as_described(
    backend: Service, endpoint: Endpoint, tmp_path: Path, record_property: RecordProperty
) -> None:
    endpoint.will_send(completion("four"))

    record_property("sent", conforms(backend, tmp_path, FEW, HOOKS))


def test_every_route_is_described_with_exactly_its_methods() -> None:
    app = create_app(Settings(logic="llm", llm_base_url="http://localhost", llm_model="m"))

    document = app.test_client().get("/openapi.json").get_json()
    assert described_routes(app, document) == routes(app)


@pytest.mark.parametrize(
    ("status", "theirs", "body"),
    [
        (422, completion(None, "length"), b""),
        (429, as_json(429, {}), b""),
        (502, as_json(401, {}), b""),
        (503, as_json(503, {}), b""),
        (413, b"", b" " * 1_048_577),
        (415, b"", b"<a>"),
        (400, b"", b"{}"),
    ],
)
def test_every_error_is_described(
    backend: Service, endpoint: Endpoint, status: int, theirs: bytes, body: bytes
) -> None:
    endpoint.will_send(theirs)
    kind = "Content-Type: text/plain" if status == 415 else JSON
    conversation = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()

    assert backend.call("/", "POST", kind, body=body or conversation).status == status
    assert str(status) in responses(backend, "/", "POST")
    if not body:
        assert backend.call("/?prompt=hi").status == status
        assert str(status) in responses(backend, "/", "GET")


def test_a_stream_is_described(backend: Service, endpoint: Endpoint) -> None:
    endpoint.will_send(STREAM + chunk("four") + END)

    with reading(backend.port, "/?prompt=hi") as (response, _):
        assert str(response.headers["Content-Type"]).startswith("text/event-stream")
    described: dict[str, Any] = json.loads(backend.call("/openapi.json").body)
    for operation in described["paths"]["/"].values():
        assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
