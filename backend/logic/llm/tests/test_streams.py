"""Streams from a scripted endpoint, and callers who hang up."""

import json
import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from backend.logic.llm.tests.scripted_endpoint import DONE, END, STREAM, USAGE, Endpoint, chunk
from backend.logic.llm.tests.test_errors import BROKE_OFF, NO_COMPLETION
from tests.calls import JSON, PATIENCE, connect, error, eventually, receive, request
from tests.event_streams import ACCEPT, reading
from tests.processes import ROOT, Service, running
from tests.scripted_backend import as_json

HI = [{"role": "user", "content": "hi"}]
# How soon the endpoint is left after a hang-up, and what busy cores add (seconds).
LEFT_WITHIN, MARGIN = 0.5, 2.0


def whole(message: str, source: str = "backend") -> tuple[str, object]:
    """Return the last event of a stream."""
    return "end", {
        "status_code": 200,
        "message": message,
        "source": source,
        "model": "m-2026",
        "finish_reason": "stop",
        "usage": USAGE,
    }


def test_each_piece_of_the_text_comes_through_the_client_as_soon_as_it_is_there(
    client: Service, endpoint: Endpoint
) -> None:
    arrived = threading.Semaphore(0)

    def behave(connection: socket.socket) -> None:
        connection.sendall(STREAM + b": hello\n\n" + chunk("") + chunk(None, role="assistant"))
        for text in ("Rome", " is", " old"):
            connection.sendall(chunk(text))
            assert arrived.acquire(timeout=PATIENCE)
        connection.sendall(END)

    endpoint.will(behave)
    body = json.dumps({"messages": HI}).encode()
    with reading(client.port, "/", "POST", JSON, body=body) as (response, events):
        for text in ("Rome", " is", " old"):
            assert next(events) == ("", {"delta": text})
            arrived.release()
        assert list(events) == [whole("Rome is old", "client")]

    assert response.status == 200
    [received] = endpoint.received
    assert received == {
        "model": "m",
        "messages": HI,
        "max_completion_tokens": 1000,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_a_prompt_is_streamed_in_however_small_pieces_it_comes(backend: Service, endpoint: Endpoint) -> None:
    data = STREAM + (chunk("a") + chunk([{"type": "text", "text": "b"}]) + END).replace(b"\n", b"\r\n")

    def behave(connection: socket.socket) -> None:
        for n in range(len(data)):
            connection.sendall(data[n : n + 1])

    endpoint.will(behave)
    with reading(backend.port, "/?prompt=hi") as (_, events):
        assert list(events) == [("", {"delta": "a"}), ("", {"delta": "b"}), whole("ab")]


@pytest.mark.parametrize(
    ("sent", "status", "exc"),
    [
        (as_json(429, {}), 429, "the model's endpoint takes no more requests now"),
        (as_json(500, {}), 502, "the model's endpoint answered 500"),
        (STREAM, 502, BROKE_OFF),
        (STREAM + chunk("")[:9], 502, BROKE_OFF),
        (STREAM + b"data: oops\n\n", 502, NO_COMPLETION),
        (
            STREAM + b'data: {"error": {"message": "oops"}}\n\n',
            502,
            "the model's endpoint broke off with an error",
        ),
        (STREAM + b"data: " + b"a" * 1_000_001, 502, "the model's answer is larger than 1000000 bytes"),
        (
            STREAM + chunk(None, refusal="I ") + chunk(None, "stop", refusal="won't") + DONE,
            422,
            "the model refuses: I won't",
        ),
    ],
)
def test_what_goes_wrong_before_the_first_piece_is_an_ordinary_error(
    backend: Service, endpoint: Endpoint, sent: bytes, status: int, exc: str
) -> None:
    endpoint.will_send(sent)

    with connect(backend.port, request("/?prompt=hi", "GET", ACCEPT)) as caller:
        assert receive(caller).answer == error(status, exc, "backend")
    assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    ("sent", "exc"),
    [
        (b"", BROKE_OFF),
        (DONE, BROKE_OFF),
        (b"data: oops\n\n", NO_COMPLETION),
        (b'data: {"error": {"message": "oops"}}\n\n', "the model's endpoint broke off with an error"),
        (chunk("b" * 300_000) * 4, "the model's answer is larger than 1000000 characters"),
    ],
)
def test_what_goes_wrong_later_is_the_last_event(
    backend: Service, endpoint: Endpoint, sent: bytes, exc: str
) -> None:
    endpoint.will_send(STREAM + chunk("a") + sent)

    with reading(backend.port, "/?prompt=hi") as (_, events):
        first, *_, last = events

    assert first == ("", {"delta": "a"})
    assert last == ("failed", error(502, exc, "backend")[1])


def test_an_endpoint_that_falls_silent_is_the_last_event(backend: Service, endpoint: Endpoint) -> None:
    over = threading.Event()

    def behave(connection: socket.socket) -> None:
        connection.sendall(STREAM + chunk("a"))
        over.wait(PATIENCE)

    endpoint.will(behave)
    with reading(backend.port, "/?prompt=hi") as (_, events):
        assert next(events) == ("", {"delta": "a"})
        name, fields = next(events)
    over.set()

    assert (name, fields["status_code"]) == ("failed", 504)


@pytest.fixture(scope="module")
def one_at_a_time(only_endpoint: Endpoint) -> Iterator[dict[str, Service]]:
    """A backend that makes one call at a time, and its client; each test waits for the end of its call."""
    with (
        running("backend", ROOT, **only_endpoint.settings, LLM_MAX_CALLS="1") as backend,
        running("client", ROOT, URL=f"127.0.0.1:{backend.port}") as client,
    ):
        yield {"backend": backend, "client": client}


@pytest.mark.parametrize("accept", [ACCEPT, "Accept: application/json"])
@pytest.mark.parametrize("name", ["backend", "client"])
def test_the_endpoint_is_left_once_the_caller_has_hung_up(
    one_at_a_time: dict[str, Service], endpoint: Endpoint, accept: str, name: str
) -> None:
    backend, called = one_at_a_time["backend"], one_at_a_time[name]
    left = threading.Event()
    left_at = 0.0

    def behave(connection: socket.socket) -> None:
        nonlocal left_at
        if accept == ACCEPT:
            connection.sendall(STREAM + chunk("a"))
        assert connection.recv(1) == b""
        left_at = monotonic()
        left.set()

    endpoint.will(behave)
    with connect(called.port, request("/?prompt=hi", "GET", accept)):
        eventually("the endpoint is called", lambda: endpoint.received)
        assert not left.wait(0.5), "expected the call to last for as long as the caller waits"
    hung_up = monotonic()
    assert left.wait(PATIENCE)
    print(f"\nleft after {left_at - hung_up:.3f} s")
    assert left_at - hung_up < LEFT_WITHIN + MARGIN
    endpoint.will_send(STREAM + chunk("free again") + END)
    eventually("the call counts no more", lambda: backend.call("/?prompt=hi").status != 503)
