"""The backend's description at /openapi.json: the routes that it has, and what its logic declares of them."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from backend.logic import Logic
from backend.parameters import Operation, Parameter
from common import openapi
from common.contract import RESERVED_PATHS
from common.openapi import ALWAYS, FREE_QUERY, OF_BODIES, WITH_BODY, Document
from common.web import ContractResponse

DESCRIPTION = "What the logic answers. Any other path is a 404, any other method a 405 with `Allow`."
# A variable of a route, `<converter(arguments):name>`, and what the converters take.
VARIABLE = re.compile(r"<(?:(\w+)(?:\(.*?\))?:)?(\w+)>")
CONVERTERS = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
}
ANYTHING = {
    "204": {"description": "No content."},
    "304": {"description": "Not modified."},
    "default": {
        "description": "Whatever else the logic answers; from 400 on an error.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
}


def answer_description(app: Flask, logic: Logic) -> None:
    """Answer /openapi.json, which is made when it is first asked for: what a logic reflects may come late."""
    encoded = b""

    @app.get("/openapi.json")
    def openapi() -> ContractResponse:
        nonlocal encoded
        encoded = encoded or app.json.dumps(describe(app, logic)).encode()
        return ContractResponse(encoded, mimetype="application/json")


def describe(app: Flask, logic: Logic) -> Document:
    """Return the description of the backend with this logic.

    Raises:
        HTTPException: what the logic reflects is not there now.
        ValueError: the logic describes a route or a method that it does not have.
    """
    declared: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation in logic.operations():
        declared[operation.rule, operation.method].append(operation)
    if logic.parameters is not None:
        declared["/", "GET"].append(undeclared("/", "GET", logic.parameters))
    paths: dict[str, Document] = {}
    spelled: dict[str, str] = {}
    for rule, method in routes(app):
        for operation in declared.pop((rule, method), [undeclared(rule, method)]):
            path = VARIABLE.sub(r"{\2}", operation.path or rule)
            path = spelled.setdefault(re.sub(r"{\w+}", "{}", path), path)
            paths.setdefault(path, {})[method.lower()] = described(operation, path)
    if declared:
        raise ValueError(f"operations without a route: {', '.join(map(' '.join, declared))}")
    return openapi.document(app.name, DESCRIPTION, paths, {})


def routes(app: Flask) -> Iterator[tuple[str, str]]:
    """Return the routes of the logic, once for each method; HEAD goes without saying where there is GET."""
    for rule in app.url_map.iter_rules():
        if rule.rule not in RESERVED_PATHS:
            for method in methods(rule):
                yield rule.rule, method


def methods(rule: Rule) -> list[str]:
    """Return the methods of a route."""
    found = rule.methods or set()
    return sorted(found - {"HEAD"} if "GET" in found else found)


def undeclared(rule: str, method: str, parameters: Any = (FREE_QUERY,)) -> Operation:  # noqa: ANN401
    """Return what is known of a route that a logic does not describe."""
    return Operation(
        rule=rule,
        method=method,
        parameters=parameters,
        body={} if method.lower() in WITH_BODY else None,
        others=ANYTHING,
        streams=True,
    )


def described(operation: Operation, path: str) -> Document:
    """Return an operation as OpenAPI's operation object."""
    method = operation.method.lower()
    parameters = [
        each.described() if isinstance(each, Parameter) else dict(each) for each in operation.parameters
    ]
    given = {each["name"] for each in parameters if each["in"] == "path"}
    in_path = [each for each in path_parameters(operation.rule, path) if each["name"] not in given]
    statuses = {*ALWAYS, *(OF_BODIES if method in WITH_BODY else ())}
    statuses |= {404} if "{" in path else set()
    found: Document = {
        "summary": operation.summary,
        "parameters": in_path + parameters,
        "requestBody": request_body(operation.body),
        "responses": {
            "200": openapi.success(operation.answer, streams=operation.streams),
            **openapi.errors(statuses),
            **{str(status): openapi.error(status, why) for status, why in operation.errors.items()},
            **operation.others,
        },
    }
    return {name: value for name, value in found.items() if value or name == "parameters"}


def path_parameters(rule: str, path: str) -> list[Document]:
    """Return the parameters in a path, with what the converters of the route's last ones take."""
    converters = [converter for converter, _ in VARIABLE.findall(rule)]
    names = re.findall(r"{(\w+)}", path)
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": CONVERTERS.get(converter, {"type": "string", "minLength": 1}),
        }
        for name, converter in zip(reversed(names), reversed(converters), strict=False)
    ][::-1]


def request_body(schema: Mapping[str, Any] | None) -> Document | None:
    """Return the body that an operation takes: none, any JSON or nothing for {}, else JSON of a schema."""
    if schema is None:
        return None
    return {"required": bool(schema), "content": {"application/json": {"schema": dict(schema)}}}
