"""What the backend describes at /openapi.json, and what the client says of its paths."""

import re
import sys
from types import ModuleType
from typing import Any
from urllib.parse import quote

import pytest
from flask import Blueprint, Flask
from hypothesis import assume, given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import ServiceUnavailable

from backend.app import create_app
from backend.description import describe
from backend.logic import Logic
from backend.parameters import Operation, Parameter
from backend.settings import Settings
from client.description import IN_PATH
from client.forwarding import checked_path
from common.contract import RESERVED_PATHS
from common.openapi import FREE_QUERY
from tests.described import described_routes, routes

PROBED = list(RESERVED_PATHS)
views = Blueprint("views", __name__)


@views.get("/")
def index() -> dict[str, Any]:
    return {}


@views.route("/orders/<int:number>/", methods=["PUT", "DELETE"])
def order(number: int) -> dict[str, Any]:
    return {"number": number}


@views.get("/orders/<path:key>/")
def show(key: str) -> dict[str, Any]:
    return {"key": key}


@views.get("/files/<any(a, b):kind>/<name>")
def file(kind: str, name: str) -> dict[str, Any]:
    return {"kind": kind, "name": name}


def backend(monkeypatch: pytest.MonkeyPatch, logic: object) -> Flask:
    module = ModuleType("ours")
    module.logic = logic  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ours", module)
    return create_app(Settings(logic="ours:logic"))


def described(monkeypatch: pytest.MonkeyPatch, logic: object) -> dict[str, Any]:
    response = backend(monkeypatch, logic).test_client().get("/openapi.json")
    assert (response.status_code, response.content_type) == (200, "application/json")
    return response.get_json()  # type: ignore[no-any-return]


def test_a_function_that_declares_nothing_is_described_with_any_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = described(monkeypatch, lambda _: {})

    assert document["openapi"] == "3.1.0"
    assert list(document["paths"]) == ["/", *PROBED]
    assert list(document["paths"]["/"]) == ["get"]
    get = document["paths"]["/"]["get"]
    assert get["parameters"] == [FREE_QUERY]
    assert {"200", "400", "414", "500", "503", "default"} <= get["responses"].keys()


def test_declared_parameters_are_described_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    def greet(query: MultiDict[str, Any]) -> dict[str, Any]:
        return {"message": "hello " * query["times"]}

    times = Parameter(name="times", description="How often.", type=int, maximum=3, required=True)
    app = backend(monkeypatch, Logic(greet, parameters=[times])).test_client()

    document = app.get("/openapi.json").get_json()
    assert document["paths"]["/"]["get"]["parameters"] == [times.described()]
    assert app.get("/?times=2").get_json()["message"] == "hello hello "
    refused = app.get("/?times=4")
    assert (refused.status_code, refused.get_json()["exc"]) == (
        400,
        "times='4'; allowed: a whole number of at most 3",
    )


def test_routes_that_nothing_is_declared_of_appear_with_methods_and_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = described(monkeypatch, views)["paths"]

    assert {path: sorted(item) for path, item in paths.items() if path not in PROBED} == {
        "/": ["get"],
        "/orders/{number}/": ["delete", "get", "put"],
        "/files/{kind}/{name}": ["get"],
    }
    put, get = paths["/orders/{number}/"]["put"], paths["/orders/{number}/"]["get"]
    number = {"name": "number", "in": "path", "required": True}
    assert put["parameters"] == [number | {"schema": {"type": "integer"}}, FREE_QUERY]
    assert get["parameters"] == [number | {"schema": {"type": "string", "minLength": 1}}, FREE_QUERY]
    assert put["requestBody"] == {"required": False, "content": {"application/json": {"schema": {}}}}
    assert {"404", "413", "415"} <= put["responses"].keys()
    assert [each["name"] for each in paths["/files/{kind}/{name}"]["get"]["parameters"]] == [
        "kind",
        "name",
        "query",
    ]


@pytest.mark.parametrize("logic", ["hello", "tests.shop:shop", "tests.unit.test_description:views"])
def test_every_route_is_described_with_exactly_its_methods(logic: str) -> None:
    app = create_app(Settings(logic=logic))

    document = app.test_client().get("/openapi.json").get_json()
    assert described_routes(app, document) == routes(app)


def test_a_logic_describes_its_routes_also_by_paths_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"name": "key", "in": "path", "required": True, "schema": {"enum": ["a"]}}
    operations = [
        Operation(rule="/", summary="All.", answer={"type": "object"}, errors={422: "odd"}),
        Operation(rule="/orders/<path:key>/", path="/orders/a/", summary="The first."),
        Operation(rule="/orders/<path:key>/", path="/orders/b/{key}/", parameters=[key]),
        Operation(rule="/orders/<int:number>/", method="PUT", body={"type": "array"}),
    ]
    app = backend(monkeypatch, Logic(views, operations=lambda: operations))

    document = app.test_client().get("/openapi.json").get_json()
    assert described_routes(app, document) == routes(app)
    paths = document["paths"]
    assert {path: sorted(item) for path, item in paths.items() if path not in PROBED} == {
        "/": ["get"],
        "/orders/a/": ["get"],
        "/orders/b/{key}/": ["get"],
        "/orders/{number}/": ["delete", "put"],
        "/files/{kind}/{name}": ["get"],
    }
    assert paths["/"]["get"]["summary"] == "All."
    assert paths["/"]["get"]["responses"]["422"]["description"] == "odd"
    assert "default" not in paths["/"]["get"]["responses"]
    assert paths["/orders/b/{key}/"]["get"]["parameters"] == [key]
    body = paths["/orders/{number}/"]["put"]["requestBody"]
    assert body == {"required": True, "content": {"application/json": {"schema": {"type": "array"}}}}


@pytest.mark.parametrize(
    ("rule", "method"), [("/missing", "GET"), ("/", "POST"), ("/orders/<int:number>/", "GET")]
)
def test_what_has_no_route_cannot_be_described(
    monkeypatch: pytest.MonkeyPatch, rule: str, method: str
) -> None:
    logic = Logic(views, operations=lambda: [Operation(rule=rule, method=method)])

    with pytest.raises(ValueError, match=f"operations without a route: {rule} {method}"):
        describe(backend(monkeypatch, logic), logic)


def test_a_description_is_made_once_what_it_is_made_of_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = [ServiceUnavailable("not yet")]

    def operations() -> list[Operation]:
        made.append("again")
        if isinstance(made[0], Exception):
            raise made[0]
        return []

    app = backend(monkeypatch, Logic(views, operations=operations)).test_client()
    assert made[1:] == [], "expected nothing to be reflected before it is asked for"

    assert app.get("/openapi.json").status_code == 503
    made[0] = "there"
    assert [app.get("/openapi.json").status_code for _ in range(3)] == [200] * 3
    assert made[1:] == ["again", "again"]


@given(st.from_regex(IN_PATH))
def test_what_a_path_may_have_according_to_the_client_it_passes_on(value: str) -> None:
    assume(f"/{value}" not in RESERVED_PATHS)

    assert checked_path(f"/{quote(value, safe='')}")


@pytest.mark.parametrize("value", ["/a", "..", "a/../b", ".;x", "a\\b", "a\n", "\0", "%2e", "a%5cb"])
def test_what_the_client_refuses_in_a_path_it_says_so(value: str) -> None:
    assert not re.search(IN_PATH, value)
