"""The client's description at /openapi.json: that of the running backend, and what the client adds to it."""

from collections.abc import Iterator
from typing import Any

from flask import Flask, request

from client.errors import BadAnswer
from client.forwarding import passed_headers
from client.upstream import Upstream, prepared
from common import openapi
from common.contract import METHODS, RESERVED_PATHS
from common.openapi import ALWAYS, OF_BODIES, WITH_BODY, Document

DESCRIPTION = (
    "What the backend answers, under the client's name. Any other path is the backend's to answer, too, "
    "unless it is malformed, which is a 400."
)
# What a path of the backend has that the client does not pass on, or that leads past the client.
LEFT_OUT = ("options", "trace", "servers")
# What a value in a path may be: what `forwarding.checked_path` refuses could mean another path.
IN_PATH = (
    r"^(?!/)(?!(.*/)?\.\.?(;[^/]*)?(/|$))"  # not a host, no segment . or ..
    r"([^\u0000-\u001f\u007f\\%]|%(?![0-9A-Fa-f]{2}))+(?!\n)$"  # nor what is one once it is decoded again
)
# What the client says where a call to the backend fails.
OF_CALLS = (502, 503, 504)


def answer_description(app: Flask, upstream: Upstream) -> None:
    """Answer /openapi.json, from the backend that runs now: its logic may be another one than before."""

    @app.get("/openapi.json", endpoint="openapi")
    def answer() -> Document:
        return derived(app.name, backend_description(upstream))


def backend_description(upstream: Upstream) -> Document:
    """Return the running backend's description, whose paths, methods and parameters have the right shape.

    Raises:
        HTTPException: the backend is away, or does not describe itself; see client.errors.
    """
    headers = passed_headers(request.environ)
    trace = {name: value for name, value in headers.items() if name in ("traceparent", "tracestate")}
    # Not by call(), which calls no path that each service answers itself.
    call = prepared("GET", f"{upstream.url}/openapi.json", None, trace)
    answer = upstream.retried(call, upstream.attempt)
    if answer.status != 200 or not answer.content or not is_openapi(answer.content):
        raise BadAnswer("backend does not describe itself in OpenAPI 3.1")
    return answer.content


def derived(source: str, theirs: Document) -> Document:
    """Return the client's description, made of the backend's."""
    paths = {
        path: {name: passed_on(name, value) for name, value in item.items() if name not in LEFT_OUT}
        for path, item in theirs["paths"].items()
        if path not in RESERVED_PATHS
    }
    ours = openapi.document(source, DESCRIPTION, paths, theirs.get("components", {}))
    ours["paths"]["/openapi.json"]["get"]["responses"] |= openapi.errors(OF_CALLS)
    return ours


def passed_on(name: str, value: Any) -> Any:  # noqa: ANN401  what a path item may have
    """Return what a path item of the client has under a name: an operation also has the client's errors."""
    if name.upper() not in METHODS:
        return value
    statuses = {*ALWAYS, *OF_CALLS, *(OF_BODIES if name in WITH_BODY else ())}
    responses = openapi.errors(statuses) | value.get("responses", {})
    parameters = [bounded(each) for each in value.get("parameters", [])]
    described = value | {"parameters": parameters, "responses": dict(sorted(responses.items()))}
    return {key: each for key, each in described.items() if key != "servers"}


def bounded(parameter: Document) -> Document:
    """Return a parameter; a text in a path is one that the client passes on."""
    schema = parameter.get("schema", {})
    if parameter.get("in") != "path" or schema.get("type") != "string":
        return parameter
    if "pattern" in schema:
        return parameter | {"schema": {"allOf": [schema, {"pattern": IN_PATH}]}}
    return parameter | {"schema": schema | {"pattern": IN_PATH}}


def is_openapi(document: Document) -> bool:
    """Return whether a document is OpenAPI, as far as it is looked at here and by a form."""
    paths: Any = document.get("paths")
    return (
        str(document.get("openapi")).startswith("3.1.")
        and is_nested(paths)
        and is_nested(document.get("components", {}))
        and all(map(is_operation, operations(paths)))
    )


def is_nested(value: Any) -> bool:  # noqa: ANN401  any JSON
    """Return whether a value is a mapping of mappings."""
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


def operations(paths: Document) -> Iterator[Any]:
    """Return the operations of all paths."""
    for item in paths.values():
        yield from (value for name, value in item.items() if name.upper() in METHODS)


def is_operation(value: Any) -> bool:  # noqa: ANN401  any JSON
    """Return whether a value is an operation whose responses and parameters have the right shape."""
    if not isinstance(value, dict) or not is_nested(value.get("responses", {})):
        return False
    parameters = value.get("parameters", [])
    return isinstance(parameters, list) and all(map(is_parameter, parameters))


def is_parameter(value: Any) -> bool:  # noqa: ANN401  any JSON
    """Return whether a value is a parameter, or a reference to one."""
    if not isinstance(value, dict) or not isinstance(value.get("schema", {}), dict):
        return False
    return "$ref" in value or (isinstance(value.get("name"), str) and isinstance(value.get("in"), str))
