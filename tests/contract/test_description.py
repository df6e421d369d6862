"""What the client describes at /openapi.json, whatever a backend describes."""

from typing import Any

import pytest

from tests.calls import error
from tests.processes import Service
from tests.scripted_backend import HELLO, ScriptedBackend, as_json, sends

OURS = ["/healthz", "/readyz", "/version", "/openapi.json"]


def description(paths: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": paths}


def test_the_backends_operations_have_the_clients_errors_too(
    client: Service, upstream: ScriptedBackend
) -> None:
    fine, full = {"description": "fine"}, {"description": "full"}
    operation = {"parameters": [{"name": "a", "in": "query", "schema": {}}], "responses": {"200": fine}}
    elsewhere = {"servers": [{"url": "http://evil.example"}]}
    taken = {"responses": {"201": fine, "503": full}} | elsewhere
    orders = {"get": operation, "post": taken, "options": {}} | elsewhere
    theirs = description({"/orders": orders, "/healthz": {"get": {}}})
    theirs |= {"info": {"title": "theirs"}} | elsewhere
    theirs["components"] = {"schemas": {"Order": {}, "Answer": {"source": "theirs"}}}
    upstream.behaviours[b""] = (sends(as_json(200, theirs)),)

    reply = client.call("/openapi.json")

    status, ours = reply.answer
    assert (status, ours["openapi"], ours["info"]["title"]) == (200, "3.1.0", "client")
    assert list(ours["paths"]) == ["/orders", *OURS]
    assert b"evil" not in reply.body
    assert ours["components"]["schemas"]["Order"] == {}
    assert ours["components"]["schemas"]["Answer"]["properties"]["source"] == {"const": "client"}
    assert list(ours["paths"]["/orders"]) == ["get", "post"]
    get, post = ours["paths"]["/orders"]["get"], ours["paths"]["/orders"]["post"]
    assert get["parameters"] == operation["parameters"]
    assert " ".join(get["responses"]) == "200 400 414 417 431 500 501 502 503 504"
    assert " ".join(post["responses"]) == "201 400 413 414 415 417 431 500 501 502 503 504"
    assert (post["responses"]["201"], post["responses"]["503"]) == (fine, full)


@pytest.mark.parametrize(
    "theirs",
    [
        {"status_code": 200, "message": "hello"},
        {"openapi": "2.0", "paths": {}},
        {"openapi": 3.1, "paths": {}},
        {"openapi": "3.1.0"},
        description([]),
        description({"/": []}),
        description({"/": {"get": []}}),
        description({"/": {"get": {"responses": [1]}}}),
        description({"/": {"get": {"responses": {"200": 1}}}}),
        description({"/": {"get": {"parameters": {}}}}),
        description({"/": {"get": {"parameters": [{"name": 1, "in": "query", "schema": {}}]}}}),
        description({"/": {"get": {"parameters": [{"name": "a", "in": "query", "schema": 1}]}}}),
        description({}) | {"components": []},
        description({}) | {"components": {"schemas": 1}},
    ],
)
def test_what_is_no_description_is_a_502(client: Service, upstream: ScriptedBackend, theirs: Any) -> None:
    upstream.behaviours[b""] = (sends(as_json(200, theirs)),)

    exc = "backend does not describe itself in OpenAPI 3.1"
    assert client.call("/openapi.json").answer == error(502, exc)


@pytest.mark.parametrize(
    ("answer", "exc"),
    [
        (b"", "backend broke off its answer"),
        (as_json(404, {"exc": "not found"}), "backend does not describe itself in OpenAPI 3.1"),
        (as_json(200, [HELLO.decode()] * 10_000), "backend's answer is larger than 1048576 bytes"),
        (as_json(302, {}, "Location: /"), "backend redirected instead of answering"),
    ],
)
def test_a_backend_that_does_not_describe_itself_is_a_502(
    client: Service, upstream: ScriptedBackend, answer: bytes, exc: str
) -> None:
    upstream.behaviours[b""] = (sends(answer),)

    assert client.call("/openapi.json").answer == error(502, exc)
