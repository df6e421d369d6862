"""What a function or view may return, and what callers and the log get if it returns something else."""

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from types import MappingProxyType, ModuleType
from typing import Any

import gevent
import pytest
from flask import Blueprint, jsonify, redirect, request
from flask.testing import FlaskClient
from werkzeug.exceptions import Conflict

from backend.answers import EXPECTED
from backend.app import create_app
from backend.logic import Logic
from backend.settings import Settings
from common.budget import BUFFERED
from common.contract import RESERVED_PATHS
from common.settings import SettingsError

INTERNAL = {
    "status_code": 500,
    "exc": "internal error; the service's log has the details",
    "source": "backend",
}


def caller(
    monkeypatch: pytest.MonkeyPatch, logic: object, name: str = "answer", **settings: Any
) -> FlaskClient:
    """Return a caller of a backend with this function, Blueprint or factory as its logic."""
    module = ModuleType("ours")
    setattr(module, name, logic)
    monkeypatch.setitem(sys.modules, "ours", module)
    monkeypatch.setattr(BUFFERED, "held", 0)  # by answers that no server closes
    return create_app(Settings(logic=f"ours:{name}", **settings)).test_client()


class Fields(Mapping[str, Any]):
    """A mapping that is no dict, such as a row of SQLAlchemy's."""

    def __getitem__(self, key: str) -> Any:
        return {"length": 3}[key]

    def __iter__(self) -> Any:
        return iter(["length"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("returned", "status", "fields"),
    [
        ({"message": "hi", "a": [None, 1.5]}, 200, {"message": "hi", "a": [None, 1.5]}),
        ({}, 200, {"message": "OK"}),
        (Fields(), 200, {"message": "OK", "length": 3}),
        (MappingProxyType({"n": Decimal("1.50")}), 200, {"message": "OK", "n": "1.50"}),
        (({"id": 7}, 201), 201, {"message": "Created", "id": 7}),
        (({"id": 7}, HTTPStatus.ACCEPTED, {"Location": "/orders/7"}), 202, {"message": "Accepted", "id": 7}),
        (({"id": 7}, 409), 409, {"exc": "Conflict", "id": 7}),
        (({"exc": "taken"}, 409, [("Retry-After", "3")]), 409, {"exc": "taken"}),
    ],
)
def test_a_mapping_gets_the_contracts_fields(
    monkeypatch: pytest.MonkeyPatch, returned: Any, status: int, fields: dict[str, Any]
) -> None:
    response = caller(monkeypatch, lambda _: returned).get("/")

    assert (response.status_code, response.content_type) == (status, "application/json")
    assert response.get_json() == {"status_code": status, "source": "backend"} | fields
    assert list(response.get_json())[:3] == ["status_code", "message" if status < 400 else "exc", "source"]
    if isinstance(returned, tuple) and len(returned) == 3:
        assert set(dict(returned[2]).items()) <= set(response.headers.items())


async def coroutine() -> dict[str, Any]:
    await asyncio.sleep(0)
    return {}


CIRCULAR: dict[str, Any] = {}
CIRCULAR["itself"] = CIRCULAR
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "nothing": (lambda: None, "returned a NoneType, None: it is no mapping"),
    "a text": (lambda: "hello", "returned a str, 'hello': it is no mapping"),
    "a list": (lambda: [1], "returned a list, [1]: it is no mapping"),
    "a response": (lambda: jsonify(a=1), "returned a Response, <Response 8 bytes [200 OK]>: it is"),
    "a redirect": (lambda: redirect("/a"), "returned a Response, "),
    "a coroutine": (coroutine, "returned a coroutine, <coroutine "),
    "a lonely tuple": (lambda: ({},), "returned a tuple, ({},): it is no mapping"),
    "a long tuple": (lambda: ({}, 200, {}, 1), "returned a tuple, ({}, 200, {}, 1): it is no mapping"),
    "a text as status": (lambda: ({}, "201"), "returned a tuple, ({}, '201'): '201' is not the status"),
    "an interim status": (lambda: ({}, 100), "returned a tuple, ({}, 100): 100 is not the status"),
    "an unknown status": (lambda: ({}, 999), "returned a tuple, ({}, 999): 999 is not the status"),
    "headers without values": (lambda: ({}, 200, ["a"]), "returned a tuple, ({}, 200, ['a']): "),
    "a line break in a header": (lambda: ({}, 200, {"a": "b\r\nc: d"}), "returned a tuple, "),
    "a header of the body": (
        lambda: ({}, 200, {"Content-Length": "1"}),
        "returned a tuple, ({}, 200, {'Content-Length': '1'}): the header Content-Length is not the",
    ),
    "status_code": (lambda: {"status_code": 201}, "returned a dict, {'status_code': 201}: it has `stat"),
    "source": (lambda: {"source": "me"}, "returned a dict, {'source': 'me'}: it has `stat"),
    "NaN": (lambda: {"a": float("nan")}, "returned a dict, {'a': nan}: Out of range float values"),
    "a set": (lambda: {"a": {1}}, "returned a dict, {'a': {1}}: Object of type set is not JSON serializable"),
    "a key that is a tuple": (lambda: {(1,): 1}, "returned a dict, {(1,): 1}: keys must be str"),
    "itself": (lambda: CIRCULAR, "returned a dict, "),
    "much": (lambda: "a" * 1_000_000, "returned a str, 'aaaaaaaaaaaa...aaaaaaaaaaaaa': it is no mapping"),
    "an exit": (lambda: sys.exit(3), "raised SystemExit(3)"),
    "a timeout": (lambda: gevent.sleep(1, raise_timeout()), "raised <Timeout"),
}  # fmt: skip


def raise_timeout() -> Any:
    raise gevent.Timeout(1)


@pytest.mark.parametrize(("returns", "logged"), WRONG.values(), ids=WRONG)
def test_what_is_no_answer_is_a_500_and_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, returns: Callable[[], Any], logged: str
) -> None:
    response = caller(monkeypatch, lambda _: returns()).get("/")

    assert (response.status_code, response.get_json()) == (500, INTERNAL)
    [record] = caplog.records
    assert (record.levelno, record.exc_info) == (logging.ERROR, None)
    line = record.getMessage()
    assert line.startswith(f"answer {logged}")
    assert line.endswith(f"; {EXPECTED}")
    assert len(line.splitlines()) == 1
    assert len(line) < 500


NOT_JSON = "body that is not JSON; allowed: JSON in UTF-8, without NaN and Infinity"
ORDERS = Blueprint("orders", __name__, url_prefix="/orders")


@ORDERS.route("/", methods=["GET"])
def index() -> Any:
    return {"orders": []}


@ORDERS.route("/<int:number>", methods=["PUT", "PATCH", "DELETE"])
def change(number: int) -> Any:
    if number == 7:
        raise Conflict("7 is taken; allowed: any other")
    return ({}, 204) if request.method == "DELETE" else {"number": number, "body": request.get_json()}


@ORDERS.get("/unchanged")
def unchanged() -> Any:
    return {}, 304, {"ETag": '"1"'}


@ORDERS.errorhandler(KeyError)
def missing(error: KeyError) -> Any:
    return {"exc": f"missing: {error.args[0]}"}, 400


@ORDERS.post("/")
def create() -> Any:
    return {"item": request.get_json()["item"]}, 201, {"Location": "/orders/8"}


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    return caller(monkeypatch, ORDERS, max_request_bytes=100)


def test_a_blueprint_has_any_routes_methods_and_bodies(orders: FlaskClient) -> None:
    created = orders.post("/orders/", json={"item": "tea"})
    assert (created.status_code, created.headers["Location"]) == (201, "/orders/8")
    assert created.get_json() == {
        "status_code": 201,
        "message": "Created",
        "source": "backend",
        "item": "tea",
    }
    for method in ("PUT", "PATCH"):
        changed = orders.open("/orders/8", method=method, json=[1]).get_json()
        assert changed == {
            "status_code": 200,
            "message": "OK",
            "source": "backend",
            "number": 8,
            "body": [1],
        }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("DELETE", "/orders/8", 204), ("GET", "/orders/unchanged", 304), ("HEAD", "/orders/", 200)],
)
def test_some_answers_have_no_body(orders: FlaskClient, method: str, path: str, status: int) -> None:
    response = orders.open(path, method=method)

    assert (response.status_code, response.data) == (status, b"")
    assert ("Content-Type" in response.headers) == (method == "HEAD")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "exc"),
    [
        ("POST", "/orders/", b"{", 400, NOT_JSON),
        ("POST", "/orders/", b"NaN", 400, NOT_JSON),
        ("POST", "/orders/", b"{}", 400, "missing: item"),
        ("POST", "/orders/", b" " * 101, 413, "body too large; allowed: 100 bytes"),
        ("PUT", "/orders/7", b"1", 409, "7 is taken; allowed: any other"),
        ("GET", "/orders", b"", 404, "no such path; allowed: /orders/"),
        ("GET", "/orders/8", b"", 405, "method not allowed; allowed: DELETE, PATCH, PUT"),
    ],
)  # fmt: skip
def test_errors_of_a_blueprint_are_json(  # noqa: PLR0917  parametrised
    orders: FlaskClient, method: str, path: str, body: bytes, status: int, exc: str
) -> None:
    response = orders.open(path, method=method, data=body, content_type="application/json")

    assert response.get_json() == {"status_code": status, "exc": exc, "source": "backend"}
    assert response.status_code == status


def test_a_body_of_another_type_is_a_415(orders: FlaskClient) -> None:
    response = orders.post("/orders/", data=b"{}", content_type="text/plain")

    exc = "body of type 'text/plain'; allowed: application/json"
    assert response.get_json() == {"status_code": 415, "exc": exc, "source": "backend"}


def test_json_that_is_nested_too_deeply_for_the_parser_is_a_400(monkeypatch: pytest.MonkeyPatch) -> None:
    response = caller(monkeypatch, ORDERS).put(
        "/orders/8", data=b"[" * 200_000, content_type="application/json"
    )

    assert response.status_code == 400


@pytest.mark.parametrize("path", RESERVED_PATHS)
@pytest.mark.parametrize("spelling", ["{}", "{}/", "/{}"])
def test_a_route_for_a_reserved_path_is_refused(
    monkeypatch: pytest.MonkeyPatch, path: str, spelling: str
) -> None:
    views = Blueprint("views", __name__)
    views.add_url_rule(spelling.format(path), "view", dict)

    with pytest.raises(SettingsError) as refused:
        caller(monkeypatch, views)

    assert str(refused.value) == (
        f"LOGIC='ours:answer' has a route {spelling.format(path)!r}; "
        "expected any but /healthz, /readyz, /version, /openapi.json"
    )


def test_a_factory_returns_a_function_a_blueprint_or_a_logic(monkeypatch: pytest.MonkeyPatch) -> None:
    def greet(_query: object) -> dict[str, Any]:
        return {"message": "hi"}

    for made, path in ((greet, "/"), (Logic(greet), "/"), (ORDERS, "/orders/"), (Logic(ORDERS), "/orders/")):
        seen: list[str] = []

        def make(settings: Settings, made: Any = made, seen: list[str] = seen) -> Any:
            seen.append(settings.logic)
            return made

        assert caller(monkeypatch, make, "make").get(path).status_code == 200
        assert seen == ["ours:make"]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda _: 7, "TypeError: 'make' is not a function or Blueprint"),
        (lambda _: Logic(7), "TypeError: 'make' is not a function or Blueprint"),  # type: ignore[arg-type]
        (
            lambda _: Logic(ORDERS, parameters=[]),
            "TypeError: only a function has parameters; a Blueprint has",
        ),
        (lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda _: sys.exit(3), "SystemExit: 3"),
    ],
)
def test_a_factory_that_makes_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, make: object, why: str
) -> None:
    with pytest.raises(SettingsError, match=f"^LOGIC='ours:make' does not load: {why}"):
        caller(monkeypatch, make, "make")


@pytest.mark.parametrize(
    ("logic", "why"),
    [
        ("ours.missing:answer", "ModuleNotFoundError: No module named 'ours.missing'"),
        ("ours:reply", "AttributeError: module 'ours' has no attribute 'reply'"),
        ("ours:number", "TypeError: 'number' is not a function or Blueprint"),
    ],
)
def test_a_logic_that_is_not_there_or_cannot_answer_is_refused(
    monkeypatch: pytest.MonkeyPatch, logic: str, why: str
) -> None:
    module = ModuleType("ours")
    module.__dict__["number"] = 7
    monkeypatch.setitem(sys.modules, "ours", module)

    with pytest.raises(SettingsError, match=f"^LOGIC='{logic}' does not load: {why}.*; expected "):
        create_app(Settings(logic=logic))
