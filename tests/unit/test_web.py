"""Every answer is JSON, errors included."""

import gc
import logging
from typing import Any, NoReturn
from urllib.parse import unquote

import pytest
from flask import Blueprint, Flask, Response, abort, send_file, url_for
from flask.testing import FlaskClient
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.test import TestResponse, create_environ

from backend.app import create_app
from backend.settings import Settings
from common.budget import BUFFERED
from common.web import contract_response, json_app


@pytest.fixture
def caller() -> FlaskClient:
    return create_app(Settings.from_environ({})).test_client()


def answer(response: TestResponse) -> tuple[int, Any]:
    assert response.content_type == "application/json", response.data
    return response.status_code, response.get_json()


def error(status: int, exc: str) -> tuple[int, dict[str, Any]]:
    return status, {"status_code": status, "exc": exc, "source": "backend"}


NOT_FOUND = error(
    404,
    "The requested URL was not found on the server. If you entered the URL manually please check your "
    "spelling and try again.",
)


@pytest.mark.parametrize(
    "path", ["/nothing", "/a//b", "/healthz/", "/HEALTHZ", "/static/a", "/%00", "/..", "/%ff", "/<b>"]
)
def test_an_unknown_path_is_a_404(caller: FlaskClient, path: str) -> None:
    assert answer(caller.get(path)) == NOT_FOUND


@pytest.mark.parametrize("path", ["", "//", "///"])
def test_slashes_do_not_redirect(caller: FlaskClient, path: str) -> None:
    response = caller.get("/", environ_overrides={"PATH_INFO": path})

    assert answer(response) == (200, {"status_code": 200, "message": "hello world", "source": "backend"})


def test_a_double_slash_does_not_redirect_to_a_route_with_single_ones() -> None:
    app = json_app("backend", 1)
    app.add_url_rule("/a/b", view_func=lambda: {"status_code": 200})

    assert answer(app.test_client().get("/a//b")) == NOT_FOUND


def test_requests_cost_neither_a_look_at_the_host_nor_at_a_views_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> NoReturn:
        raise AssertionError

    app = json_app("backend", 2)
    app.add_url_rule("/a/<name>", "a", lambda name: {"path": url_for("a", name=name)})
    app.add_url_rule("/b", "b", lambda: {"url": url_for("a", name="b", _external=True)})
    monkeypatch.setattr("flask.app.get_host", fail)
    monkeypatch.setattr("flask.app.iscoroutinefunction", fail)

    assert answer(app.test_client().get("/a/b")) == (200, {"path": "/a/b"})
    assert answer(app.test_client().get("/b")) == (200, {"url": "http://localhost/a/b"})


def test_requests_leave_nothing_to_the_garbage_collector(caller: FlaskClient) -> None:
    environ = create_environ("/")

    def call() -> None:
        body: Any = caller.application.wsgi_app(dict(environ), lambda *_: print)
        assert b"".join(body).startswith(b'{"status_code":200,')
        body.close()

    call()  # the first one makes what others share
    gc.collect()
    gc.disable()
    try:
        call()
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_path_is_remembered_by_method_and_never_with_arguments() -> None:
    app = json_app("backend", 20)
    app.add_url_rule("/a", "a", lambda: {"a": "GET"})
    app.add_url_rule("/a", "b", lambda: {"a": "POST"}, methods=["POST"])
    app.add_url_rule("/a/<name>", "c", lambda name: {"a": name})
    app.add_url_rule("/d", "d", lambda name: {"a": name}, defaults={"name": "d"})
    caller = app.test_client()

    for _ in range(2):
        assert answer(caller.get("/a")) == (200, {"a": "GET"})
        assert answer(caller.post("/a")) == (200, {"a": "POST"})
        assert caller.put("/a").status_code == 405
        assert answer(caller.get("/a/b")) == (200, {"a": "b"})
        assert answer(caller.get("/d")) == (200, {"a": "d"})
        assert caller.get("/b").status_code == 404


def test_spellings_of_a_path_are_not_remembered() -> None:
    app: Any = json_app("backend", 20)
    app.add_url_rule("/a", "a", lambda: {"a": "b"}, strict_slashes=False)
    caller = app.test_client()

    for path in ("/a", "/a/", "//a", "/%61", "/%2Fa", "///a"):
        assert answer(caller.get("/", environ_overrides={"PATH_INFO": unquote(path)})) == (200, {"a": "b"})

    assert list(app.matched) == [("/a", "GET")]


def test_a_path_reaches_a_view_decoded() -> None:
    app = json_app("backend", 2)
    app.add_url_rule("/a/<name>", "a", lambda name: {"a": name})

    assert answer(app.test_client().get("/a/%C3%A9")) == (200, {"a": "é"})


def test_functions_of_a_logic_are_called_before_its_views() -> None:
    app, called = json_app("backend", 2), []
    logic = Blueprint("logic", __name__)
    logic.before_request(lambda: called.append("before"))
    logic.before_app_request(lambda: called.append("before any"))
    logic.url_value_preprocessor(lambda _endpoint, values: called.append(values))
    logic.add_url_rule("/a/<name>", "a", lambda name: {"called": [*called, name]})
    app.register_blueprint(logic)

    called_before = [{"name": "b"}, "before any", "before"]
    assert answer(app.test_client().get("/a/b")) == (200, {"called": [*called_before, "b"]})


def test_a_200_is_sent_as_werkzeug_would_send_it() -> None:
    app = json_app("backend", 2)
    response = contract_response(app, {"status_code": 200}, 200)

    assert response.get_wsgi_headers({}) == Response.get_wsgi_headers(response, {})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz"])
def test_another_method_is_a_405_that_names_the_allowed_ones(
    caller: FlaskClient, path: str, method: str
) -> None:
    response = caller.open(path, method=method)

    assert answer(response) == error(405, "method not allowed; allowed: GET, HEAD")
    assert sorted(response.headers["Allow"].split(", ")) == ["GET", "HEAD"]


def test_head_has_the_headers_of_get(caller: FlaskClient) -> None:
    head, get = caller.head("/"), caller.get("/")

    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_the_status_comes_first_in_the_json(caller: FlaskClient) -> None:
    assert caller.get("/").data == b'{"status_code":200,"message":"hello world","source":"backend"}\n'


def failing_app(failure: Exception) -> Flask:
    app = json_app("backend", 1)

    @app.get("/fail")
    def fail() -> NoReturn:
        raise failure

    return app


@pytest.mark.parametrize(
    "failure", [RuntimeError("at 10.0.0.1"), KeyError("secret"), RecursionError(), OSError(2, "secret")]
)
def test_an_unexpected_exception_is_a_500_and_its_details_only_logged(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        response = failing_app(failure).test_client().get("/fail")

    assert answer(response) == error(500, "internal error; the service's log has the details")
    assert [record.exc_info[1] for record in caplog.records if record.exc_info] == [failure]


def test_the_cause_of_a_known_error_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    busy = ServiceUnavailable("busy", retry_after=7)
    busy.__cause__ = OSError("connect to 10.0.0.1")

    response = failing_app(busy).test_client().get("/fail")

    assert answer(response) == error(503, "busy")
    assert response.headers["Retry-After"] == "7"
    assert "10.0.0.1" in caplog.text


@pytest.mark.parametrize("status", [400, 401, 403, 409, 413, 414, 415, 418, 422, 429, 500, 501, 502, 504])
def test_every_http_error_is_json_with_its_status(status: int) -> None:
    app = json_app("backend", 1)

    @app.get("/fail")
    def fail() -> NoReturn:
        abort(status)

    code, content = answer(app.test_client().get("/fail"))

    assert (code, content["status_code"], content["source"]) == (status, status, "backend")
    assert content["exc"]


def test_an_answer_counts_as_held_until_it_is_closed_and_a_file_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BUFFERED, "held", 0)
    app = json_app("backend", 1)
    app.add_url_rule("/json", "json", lambda: {"status_code": 200})
    app.add_url_rule("/file", "file", lambda: send_file(__file__))

    with app.test_client().get("/json") as response:
        assert BUFFERED.held == len(response.data)
    with app.test_client().get("/file") as response:
        assert (response.status_code, BUFFERED.held) == (200, 0)
    assert BUFFERED.held == 0


def test_an_answer_to_a_post_that_does_not_fit_says_that_it_may_have_been_executed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BUFFERED, "limit", BUFFERED.held)
    app = json_app("backend", 2)
    app.add_url_rule("/", "json", lambda: {"status_code": 200}, methods=["POST", "PUT"])

    put, post = app.test_client().put("/"), app.test_client().post("/")

    assert answer(put) == error(503, "too many large answers at once")
    assert answer(post) == error(503, "too many large answers at once; the POST may have been executed")


def test_an_answer_that_the_server_refuses_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BUFFERED, "held", 0)
    app = json_app("backend", 1)
    app.add_url_rule("/", "header", lambda: ({"status_code": 200}, {"X": "€"}))

    def start_response(*_: object) -> NoReturn:
        raise ValueError("gunicorn sends no such header")

    for _ in range(2):
        with pytest.raises(ValueError, match="no such header"):
            app.wsgi_app(create_environ("/"), start_response)
    assert BUFFERED.held == 0
