"""What the descriptions of both services have in common: OpenAPI 3.1 (spec.openapis.org/oas/v3.1.1)."""

from collections.abc import Iterable, Mapping
from typing import Any

from common.contract import RESERVED_PATHS
from common.sse import MIMETYPE
from common.version import VERSION

Document = dict[str, Any]
Schema = Mapping[str, Any]

# What any request may be answered with, whatever its path, also before an application sees it.
ALWAYS = (400, 414, 417, 431, 500, 501, 503)
WITH_BODY = ("post", "put", "patch", "delete")
OF_BODIES = (413, 415)
OF_ALL = (
    "Each GET also answers HEAD, without a body. Whoever accepts `text/event-stream` gets server-sent events "
    "where they are described."
)
# In the place of parameters that are not known: any names and values.
FREE_QUERY = {
    "name": "query",
    "in": "query",
    "description": "Any names and values.",
    "style": "form",
    "explode": True,
    "schema": {"type": "object"},
}
ERRORS = {
    400: "The request is malformed or not allowed; `exc` says what is.",
    404: "There is nothing at this path.",
    413: "The body is too large.",
    414: "The path or the query is too long.",
    415: "The body is not JSON.",
    417: "An expectation other than `100-continue`.",
    431: "The headers are too large.",
    500: "Something went wrong that the service's log explains.",
    501: "An unknown transfer coding.",
    502: "A service behind this one is away or broken.",
    503: "Too much load, or not ready: come again after `Retry-After`.",
    504: "A service behind this one takes too long.",
}
RETRY_AFTER = {"Retry-After": {"description": "Seconds, or a date.", "schema": {"type": "string"}}}


def document(source: str, description: str, paths: Mapping[str, Any], components: Document) -> Document:
    """Return the description of a service.

    Args:
        source: the service's name.
        description: what it describes, in Markdown.
        paths: those that not both services have, by path.
        components: what `$ref`s in them name, besides the errors and `Answer`.
    """
    own: Document = {
        "schemas": {"Answer": answer_schema(source), "Error": error_schema(source)},
        "responses": {str(status): error(status) for status in ERRORS},
    }
    kinds = own.keys() | components.keys()
    return {
        "openapi": "3.1.0",
        "info": {"title": source, "version": VERSION, "description": f"{description} {OF_ALL}"},
        "paths": {**paths, **{path: {"get": own_operation(path)} for path in RESERVED_PATHS}},
        "components": {kind: components.get(kind, {}) | own.get(kind, {}) for kind in sorted(kinds)},
    }


def answer_schema(source: str) -> Schema:
    """Return the JSON Schema of what each answer has."""
    return {
        "type": "object",
        "required": ["status_code", "message", "source"],
        "properties": {"status_code": {"type": "integer"}, "source": {"const": source}},
    }


def error_schema(source: str) -> Schema:
    """Return the JSON Schema of an error."""
    return {
        "type": "object",
        "required": ["status_code", "exc", "source", "trace_id"],
        "properties": {
            "status_code": {"type": "integer", "minimum": 400},
            "exc": {"type": "string", "description": "What went wrong, and what is allowed."},
            "source": {"const": source},
            "trace_id": {
                "type": "string",
                "pattern": "^[0-9a-f]{32}$",
                "description": "Finds the request in the logs.",
            },
        },
    }


def error(status: int, description: str = "") -> Document:
    """Return the response of an error."""
    response = {
        "description": description or ERRORS[status],
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    return response | {"headers": RETRY_AFTER} if status in (429, 503) else response


def errors(statuses: Iterable[int]) -> Document:
    """Return the responses of the errors that the components describe."""
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def success(more: Schema | None = None, *, streams: bool = False) -> Document:
    """Return the response of a success, with the JSON Schema of what it is besides an `Answer`."""
    schema: Schema = {"$ref": "#/components/schemas/Answer"}
    if more:
        schema = {"allOf": [schema, more]}
    content: Document = {"application/json": {"schema": schema}}
    if streams:
        content[MIMETYPE] = {"schema": {"type": "string"}}
    return {"description": "OK", "content": content}


def own_operation(path: str) -> Document:
    """Return the operation of a path that each service answers itself."""
    summary, required = {
        "/healthz": ("Whether the process serves.", ()),
        "/readyz": ("Whether it is ready for traffic.", ()),
        "/version": ("What runs here.", ("version", "commit", "python", "started")),
        "/openapi.json": ("This description.", ("openapi", "info", "paths")),
    }[path]
    more = {"type": "object", "required": list(required)}
    answer = success(more if required else None)
    if path == "/openapi.json":
        answer["content"] = {"application/json": {"schema": more}}
    return {"summary": summary, "responses": {"200": answer} | errors(ALWAYS)}
