"""Iterators of mappings as a logic's answer: events, one JSON, and what ends them early."""

import json
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import gevent
import pytest
from flask import Blueprint, request
from flask.testing import FlaskClient
from werkzeug.exceptions import TooManyRequests

from backend.app import create_app
from backend.settings import Settings
from common import sse
from common.budget import BUFFERED
from tests.calls import PATIENCE, error

EVENTS = {"Accept": "text/event-stream"}
INTERNAL = error(500, "internal error; the service's log has the details", "backend")[1]
Call = Callable[..., FlaskClient]


@pytest.fixture
def caller(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a function that returns a caller of a backend with this function or Blueprint as its logic."""

    def make(logic: object, **settings: Any) -> FlaskClient:
        module = ModuleType("ours")
        monkeypatch.setattr(module, "answer", logic, raising=False)
        monkeypatch.setitem(sys.modules, "ours", module)
        return create_app(Settings(logic="ours:answer", **settings)).test_client()

    return make


def events(caller: FlaskClient, target: str = "/") -> list[tuple[str, Any]]:
    """Return the names and contents of a whole stream's events, and ":" for a comment."""
    with gevent.Timeout(PATIENCE), caller.get(target, headers=EVENTS) as response:
        assert response.status == "200 OK"
        assert response.mimetype == "text/event-stream"
        decoded = sse.Decoder(1_000_000).decode(response.data)
        return [(each.name, json.loads(each.data)) if each else (":", None) for each in decoded]


def whole(**fields: Any) -> dict[str, Any]:
    return {"status_code": 200, "message": "OK", "source": "backend"} | fields


def count(query: Any) -> Iterator[dict[str, Any]]:
    """Yield as many numbers as the query says, and how many these were."""
    for number in range(int(query["to"])):
        yield {"number": number}
    yield {"numbers": int(query["to"])}


def test_each_mapping_is_an_event_and_the_last_one_is_the_whole_answer(caller: Call) -> None:
    assert events(caller(count), "/?to=2") == [
        ("", {"number": 0}),
        ("", {"number": 1}),
        ("end", whole(numbers=2)),
    ]


def test_callers_of_json_get_the_last_mapping(caller: Call) -> None:
    reply = caller(count).get("/?to=2")

    assert (reply.status_code, reply.json) == (200, whole(numbers=2))


def test_a_head_request_gets_no_events(caller: Call) -> None:
    reply = caller(count).head("/?to=2", headers=EVENTS)

    assert (reply.status_code, reply.mimetype, reply.data) == (200, "application/json", b"")


def test_a_view_of_a_blueprint_streams_and_sees_its_request_all_the_while(caller: Call) -> None:
    blueprint = Blueprint("ours", __name__)

    @blueprint.post("/count/<int:to>")  # type: ignore[type-var]  # Flask has no iterators of mappings
    def view(to: int) -> Iterator[dict[str, Any]]:
        for _ in range(to):
            yield {"word": request.args["word"]}
            gevent.sleep(0.01)
        yield request.get_json()

    with caller(blueprint).post("/count/2?word=a", json={"b": 1}, headers=EVENTS) as reply:
        assert reply.data.decode() == (
            'data: {"word":"a"}\n\ndata: {"word":"a"}\n\n'
            'event: end\ndata: {"status_code":200,"message":"OK","source":"backend","b":1}\n\n'
        )


def test_a_mapping_is_sent_before_the_logic_waits_for_the_next(caller: Call) -> None:
    sent: list[Any] = []

    def logic(_query: object) -> Iterator[dict[str, Any]]:
        for number in range(3):
            yield {"number": number}
            while len(sent) <= number:
                gevent.sleep(0.01)
        yield {}

    with (
        gevent.Timeout(PATIENCE),
        caller(logic).get("/", headers=EVENTS, buffered=False) as response,
    ):
        sent.extend(response.response)

    assert sent[:3] == [b'data: {"number":%d}\n\n' % number for number in range(3)]
    assert len(sent) == 4


def test_the_last_mapping_comes_twice_if_the_logic_waits_after_it(caller: Call) -> None:
    def logic(_query: object) -> Iterator[dict[str, Any]]:
        yield {"a": 1}
        gevent.sleep(0.01)

    assert events(caller(logic)) == [("", {"a": 1}), ("end", whole(a=1))]


def test_an_error_before_the_first_event_is_an_http_error(caller: Call) -> None:
    def logic(_query: object) -> Iterator[dict[str, Any]]:
        raise TooManyRequests("no more tokens", retry_after=7)
        yield {}

    reply = caller(logic).get("/", headers=EVENTS)

    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "7")
    assert reply.json == error(429, "no more tokens", "backend")[1]


def test_an_error_after_the_first_event_is_the_last_event(caller: Call) -> None:
    def logic(_query: object) -> Iterator[dict[str, Any]]:
        yield {"a": 1}
        raise TooManyRequests("no more tokens")

    failed = error(429, "no more tokens", "backend")[1]
    assert events(caller(logic)) == [("", {"a": 1}), ("failed", failed)]


def fail() -> None:
    raise OSError("the key is secret")


@pytest.mark.parametrize(
    ("do", "logged"),
    [
        (fail, "the key is secret"),
        (lambda: sys.exit(3), "SystemExit(3)"),
        (lambda: gevent.Timeout(0.01).start() or gevent.sleep(PATIENCE), "must not raise <Timeout"),
        (lambda: {"a": float("nan")}, "answer yielded a dict, {'a': nan}: "),
        (lambda: ["a"], "answer yielded a list, ['a']: it is no mapping; expected "),
        (lambda: {"source": "me"}, "it has `status_code` or `source`"),
    ],
)
@pytest.mark.parametrize("yields", [0, 1])
def test_what_goes_wrong_is_logged_and_a_500(
    caller: Call, caplog: pytest.LogCaptureFixture, do: Callable[[], Any], logged: str, yields: int
) -> None:
    def logic(_query: object) -> Iterator[Any]:
        for number in range(yields):
            yield {"number": number}
        yield do()
        yield {}

    ours = caller(logic)
    if yields:
        assert events(ours) == [("", {"number": 0}), ("failed", INTERNAL)]
    else:
        reply = ours.get("/", headers=EVENTS)
        assert (reply.status_code, reply.json) == (500, INTERNAL)
    assert logged in caplog.text


def test_a_stream_without_any_mapping_is_a_500(caller: Call) -> None:
    for headers in ({}, EVENTS):
        reply = caller(lambda _: iter([])).get("/", headers=headers)
        assert (reply.status_code, reply.json) == error(500, "the stream ended without an answer", "backend")


@pytest.mark.parametrize("headers", [{}, EVENTS], ids=["JSON", "events"])
def test_no_first_mapping_in_time_is_a_504(caller: Call, headers: dict[str, str]) -> None:
    closed = []

    def logic(_query: object) -> Iterator[dict[str, Any]]:
        try:
            gevent.sleep(PATIENCE)
            yield {}
        finally:
            closed.append(True)

    reply = caller(logic, answer_timeout=0.05).get("/", headers=headers)

    assert (reply.status_code, reply.json) == error(504, "the stream had no event for 0.05 s", "backend")
    assert closed


def every(seconds: float, waits: int, last: float = 0) -> Callable[[Any], Iterator[dict[str, Any]]]:
    """Return a logic that waits before it yields, some times, and differently before its last mapping."""

    def logic(_query: object) -> Iterator[dict[str, Any]]:
        for _ in range(waits):
            gevent.sleep(seconds)
            yield {}
        gevent.sleep(last)
        yield {}

    return logic


def test_the_time_limit_is_for_each_event_and_one_for_all(caller: Call) -> None:
    patient = events(caller(every(0.1, 12), answer_timeout=1))
    *_, late = events(caller(every(0.01, 2, last=PATIENCE), answer_timeout=0.5))
    *_, long = events(caller(every(0.01, 1000), stream_timeout=0.5))

    assert patient[-1] == ("end", whole())
    assert (late[0], late[1]["status_code"], late[1]["exc"]) == (
        "failed",
        504,
        "the stream had no event for 0.5 s",
    )
    assert long[1]["exc"] == "the stream did not end within 0.5 s"


def test_a_comment_is_sent_while_there_is_no_event(caller: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "COMMENT_INTERVAL", 0.05)

    seen = events(caller(every(0, 1, last=0.2)))

    assert seen[0] == ("", {})
    assert (":", None) in seen
    assert seen[-1] == ("end", whole())


@pytest.mark.parametrize("taken", [0, 1])
def test_a_logic_ends_and_cleans_up_once_its_stream_is_closed(caller: Call, taken: int) -> None:
    did = []

    def logic(_query: object) -> Iterator[dict[str, Any]]:
        try:
            yield {"a": 1}
            gevent.sleep(PATIENCE)
            yield {"a": 2}
        finally:
            gevent.sleep(0.01)
            did.append("clean up")

    with caller(logic).get("/", headers=EVENTS, buffered=False) as response:
        for _ in range(taken):
            next(iter(response.response))
        assert did == []

    assert did == ["clean up"]


def test_a_logic_that_does_not_want_to_end_is_left_alone_in_the_end(caller: Call) -> None:
    def logic(_query: object) -> Iterator[dict[str, Any]]:
        yield {}
        while True:
            try:
                gevent.sleep(PATIENCE)
            except gevent.GreenletExit:
                gevent.sleep(PATIENCE)

    with gevent.Timeout(PATIENCE), caller(logic, answer_timeout=0.1).get("/", headers=EVENTS, buffered=False):
        pass


def test_an_event_that_does_not_fit_the_budget_ends_the_stream(
    caller: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BUFFERED, "limit", BUFFERED.held + 1000)
    held = BUFFERED.held

    seen = events(caller(lambda _: iter([{"a": "x" * 450}, {"a": "x" * 500}, {}])))

    assert seen[1] == ("failed", error(503, "too many large answers at once", "backend")[1])
    assert BUFFERED.held == held
