"""A backend that answers with events: what the client's callers get, and when."""

import socket
import threading
from time import monotonic

import pytest

from tests.calls import PATIENCE, connect, error, receive, request
from tests.conftest import Start
from tests.event_streams import ACCEPT, COMMENT, HEAD, LAST_CHUNK, chunk, event, reading
from tests.processes import Service
from tests.scripted_backend import (
    HELLO,
    Behaviour,
    ScriptedBackend,
    as_json,
    hangs_after,
    sends,
    sends_and_stays,
)

END = event({"status_code": 200, "message": "ab", "source": "backend"}, "end")
ENDED = ("end", {"status_code": 200, "message": "ab", "source": "client"})
BROKEN_OFF = ("failed", error(502, "backend broke off its answer")[1])
LIMIT = 1_048_576  # MAX_ANSWER_BYTES by default


def streams(*parts: bytes) -> Behaviour:
    """Send a whole stream and wait for the next request."""
    return sends_and_stays(HEAD + b"".join(parts) + LAST_CHUNK)


def test_events_are_passed_on_and_the_last_one_is_relabelled(
    client: Service, upstream: ScriptedBackend
) -> None:
    target = upstream.will(streams(event({"delta": "ä"}), event({"delta": "b"}), END))

    with reading(client.port, target) as (response, events):
        assert list(events) == [("", {"delta": "ä"}), ("", {"delta": "b"}), ENDED]

    assert response.status == 200
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert b"\r\nAccept: text/event-stream, application/json\r\n" in upstream.seen(target)[0]


def test_each_event_is_passed_on_as_soon_as_it_is_there(client: Service, upstream: ScriptedBackend) -> None:
    arrived = threading.Semaphore(0)

    def behave(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        for number in range(5):
            connection.sendall(event({"number": number}))
            assert arrived.acquire(timeout=PATIENCE)
        connection.sendall(END + LAST_CHUNK)

    with reading(client.port, upstream.will(behave)) as (_, events):
        for number in range(5):
            assert next(events) == ("", {"number": number})
            arrived.release()
        assert list(events) == [ENDED]


def test_a_connection_is_kept_after_a_stream(client: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(streams(event({}), END))

    with connect(client.port) as caller:
        for _ in range(2):
            caller.sendall(request(target))
            assert receive(caller).headers["Connection"] == "keep-alive"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/event-stream;q=0", "text/plain"])
def test_whoever_does_not_ask_for_events_gets_none(
    client: Service, upstream: ScriptedBackend, accept: str
) -> None:
    target = upstream.will(sends(HELLO))

    assert client.call(target, "GET", f"Accept: {accept}").status == 200
    assert b"\r\nAccept: application/json\r\n" in upstream.seen(target)[0]


def test_whoever_asks_for_events_gets_json_where_there_are_none(
    client: Service, upstream: ScriptedBackend
) -> None:
    fields = {"status_code": 404, "exc": "no such order", "source": "backend"}
    target = upstream.will(sends(as_json(404, fields)))

    assert client.call(target, "GET", ACCEPT).answer == error(404, "no such order")


def test_events_that_nobody_asked_for_are_a_502(client: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(streams(event({}), END))

    assert client.call(target).answer == error(502, "backend's answer is not JSON")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"data: {}\r\n\r\n", id="CRLF"),
        pytest.param(b"data: {}\r\r", id="CR"),
        pytest.param(b"data:{}\n\n", id="no blank"),
        pytest.param(b"data: {\ndata: }\n\n", id="several lines"),
        pytest.param(b"id: 7\nretry: 1\nother\ndata: {}\n\n", id="other fields"),
        pytest.param(b"\n\nevent: nothing\n\ndata: {}\n\n", id="an event without data"),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_events_are_read_as_the_standard_says(
    client: Service, upstream: ScriptedBackend, sent: bytes, size: int
) -> None:
    pieces = [chunk(sent[start : start + size]) for start in range(0, len(sent), size)]

    with reading(client.port, upstream.will(streams(*pieces, END))) as (_, events):
        assert list(events) == [("", {}), ENDED]


def test_comments_are_passed_on(client: Service, upstream: ScriptedBackend) -> None:
    with reading(client.port, upstream.will(streams(event({}), chunk(b":\n\n"), END))) as (_, events):
        assert list(events) == [("", {}), COMMENT, ENDED]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stream_that_breaks_off_ends_with_failed_and_is_not_asked_for_again(
    client: Service, upstream: ScriptedBackend, method: str
) -> None:
    target = upstream.will(sends(HEAD + event({"delta": "a"})))
    warning = "; the POST may have been executed" if method == "POST" else ""

    with reading(client.port, target, method) as (response, events):
        assert list(events) == [
            ("", {"delta": "a"}),
            ("failed", error(502, f"backend broke off its answer{warning}")[1]),
        ]
        assert response.isclosed(), "expected the last chunk"

    assert len(upstream.seen(target)) == 1


def test_a_stream_that_ends_without_a_last_event_has_failed(
    client: Service, upstream: ScriptedBackend
) -> None:
    with reading(client.port, upstream.will(streams(event({})))) as (_, events):
        assert list(events) == [("", {}), BROKEN_OFF]


def test_a_stream_that_breaks_off_before_its_first_event_is_asked_for_again(
    client: Service, upstream: ScriptedBackend
) -> None:
    target = upstream.will(sends(HEAD + event({"delta": "a"})[:-5]), streams(event({"delta": "a"}), END))

    with reading(client.port, target) as (_, events):
        assert list(events) == [("", {"delta": "a"}), ENDED]

    assert len(upstream.seen(target)) == 2


def test_what_the_backend_says_of_a_failure_is_passed_on(client: Service, upstream: ScriptedBackend) -> None:
    said = {"status_code": 429, "exc": "no more tokens", "source": "backend"}

    with reading(client.port, upstream.will(streams(event({}), event(said, "failed")))) as (_, events):
        assert list(events) == [("", {}), ("failed", said | {"source": "client"})]


BAD = [
    pytest.param(b"data: hello\n\n", "backend's answer is not JSON", id="no JSON"),
    pytest.param(b'data: {"a": NaN}\n\n', "backend's answer is not JSON", id="NaN"),
    pytest.param(b"data: []\n\n", "backend's answer is not a JSON object", id="a list"),
    pytest.param(b"event: x\ndata: {}\n\n", "backend's event has the unknown name 'x'", id="an unknown name"),
    pytest.param(
        b'data: {"a": "' + b"x" * LIMIT + b'"}\n\n', f"backend's event of more than {LIMIT} bytes", id="large"
    ),
    pytest.param(
        (b"data: " + b"{" * 1000 + b"\n") * 1100,
        f"backend's event of more than {LIMIT} bytes",
        id="many lines",
    ),
    pytest.param(b"x" * (LIMIT + 1), f"backend's event of more than {LIMIT} bytes", id="no line"),
]


@pytest.mark.parametrize(("sent", "exc"), BAD)
def test_what_is_no_event_of_a_backend_ends_the_stream_with_failed(
    client: Service, upstream: ScriptedBackend, sent: bytes, exc: str
) -> None:
    with reading(client.port, upstream.will(sends(HEAD + event({}) + chunk(sent)))) as (_, events):
        assert list(events) == [("", {}), ("failed", error(502, exc)[1])]


@pytest.mark.parametrize(("sent", "exc"), BAD)
def test_what_is_no_event_of_a_backend_is_a_502_where_it_comes_first(
    client: Service, upstream: ScriptedBackend, sent: bytes, exc: str
) -> None:
    target = upstream.will(sends(HEAD + chunk(sent)))

    assert client.call(target, "GET", ACCEPT).answer == error(502, exc)


def test_no_first_event_in_time_is_a_504(impatient: Service, upstream: ScriptedBackend) -> None:
    target = upstream.will(hangs_after(HEAD))

    assert impatient.call(target, "GET", ACCEPT).answer == error(504, "backend did not answer within 1.5 s")
    assert len(upstream.seen(target)) == 1


def comments(connection: socket.socket) -> None:
    """Send an event, and then nothing but comments."""
    connection.sendall(HEAD + event({}))
    until = monotonic() + PATIENCE
    while monotonic() < until:
        connection.sendall(chunk(b":\n\n"))
        threading.Event().wait(0.1)


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(hangs_after(HEAD + event({})), id="nothing", marks=pytest.mark.full),
        pytest.param(comments, id="comments"),
    ],
)
def test_no_next_event_in_time_ends_the_stream_with_failed(
    impatient: Service, upstream: ScriptedBackend, behave: Behaviour
) -> None:
    with reading(impatient.port, upstream.will(behave)) as (_, events):
        seen = [each for each in events if each != COMMENT]

    assert seen == [("", {}), ("failed", error(504, "backend sent no event within 1.5 s")[1])]


def test_a_stream_that_takes_too_long_in_all_ends_with_failed(
    start: Start, upstream: ScriptedBackend
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", STREAM_TIMEOUT="1")

    def behave(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        while True:
            connection.sendall(event({}))
            threading.Event().wait(0.1)

    with reading(client.port, upstream.will(behave)) as (_, events):
        *_, last = events

    assert last == ("failed", error(504, "backend did not end its stream within 1 s")[1])
