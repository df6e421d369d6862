"""What callers are told when the endpoint fails, and what is read and logged of its errors."""

import socket
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import pytest

from backend.logic.llm.tests.scripted_endpoint import KEY, Endpoint, completion, message
from backend.logic.llm.tests.test_answers import HI, post
from tests.calls import PATIENCE, error
from tests.conftest import Start
from tests.processes import Service
from tests.scripted_backend import answer, as_json

BROKE_OFF = "the model's endpoint is unreachable or broke off"
NO_COMPLETION = "the model's answer is no chat completion"
NO_TEXT = "the model's answer has no text"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "exc"),
    [
        (as_json(400, {"error": {"message": f"bad key {KEY}"}}), "the model's endpoint answered 400"),
        (as_json(401, {"error": {"message": f"bad key {KEY}"}}), "the model's endpoint answered 401"),
        (answer(500, b"<h1>oops</h1>", "Content-Type: text/html"), "the model's endpoint answered 500"),
        (answer(307, b"", "Location: http://127.0.0.1:1/"), "the model's endpoint answered 307"),
        (answer(200, b"<h1>hello</h1>", "Content-Type: text/html"), NO_COMPLETION),
        (as_json(200, []), NO_COMPLETION),
        (as_json(200, {"choices": 1}), NO_COMPLETION),
        (answer(200, b'{"usage": NaN}'), NO_COMPLETION),
        (answer(200, b"[" * 100_000), NO_COMPLETION),
        (completion(1), NO_COMPLETION),
        (as_json(200, {"choices": []}), NO_TEXT),
        (completion(None), NO_TEXT),
        (as_json(200, {"error": {"message": "oops"}}), "the model's endpoint broke off with an error"),
        (completion("a" * 1_000_001), "the model's answer is larger than 1000000 bytes"),
        (b"", BROKE_OFF),
        (b"HTTP/1.1 nonsense\r\n\r\n", BROKE_OFF),
        (HEAD + b'{"choices":', BROKE_OFF),
        (CHUNKED + b"7\r\nabc", BROKE_OFF),
        (CHUNKED + b"nonsense\r\n", BROKE_OFF),
    ],
)
def test_a_bad_answer_is_a_502_that_says_what_it_was_and_is_not_retried(
    backend: Service, endpoint: Endpoint, sent: bytes, exc: str
) -> None:
    endpoint.will_send(sent)

    assert backend.call("/?prompt=secret%20prompt").answer == error(502, exc, "backend")
    assert len(endpoint.received) == 1


USED_UP = (
    "the model used up its tokens before it had a text, as one that reasons may; "
    "allow it more: max_tokens, LLM_MAX_TOKENS"
)


@pytest.mark.parametrize(
    ("finish_reason", "fields", "status", "exc"),
    [
        (
            "length",
            {"content": "", "reasoning_content": "hm, " * 9},
            422,
            USED_UP,
        ),
        ("stop", {"content": None, "refusal": "I must not."}, 422, "the model refuses: I must not."),
        ("stop", {"content": None, "refusal": "no " * 999}, 422, f"the model refuses: {'no ' * 333}…"),
        ("content_filter", {"content": ""}, 422, "the endpoint's content filter kept the answer back"),
        (
            "tool_calls",
            {"content": None, "tool_calls": [{"id": "1"}]},
            502,
            "the model called a tool instead of answering, and has none here",
        ),
    ],
)
def test_an_answer_without_a_text_says_why(
    backend: Service,
    endpoint: Endpoint,
    *,
    finish_reason: str,
    fields: dict[str, object],
    status: int,
    exc: str,
) -> None:
    endpoint.will_send(as_json(200, message(finish_reason, **fields)))

    assert backend.call("/?prompt=hi").answer == error(status, exc, "backend")


TOO_LONG = "the conversation and max_tokens are longer than the model's context"


@pytest.mark.parametrize(
    "sent",
    [
        {"error": {"message": "…", "type": "invalid_request_error", "code": "context_length_exceeded"}},
        {"error": {"message": "…", "type": "exceed_context_size_error", "code": 400}},
        {"object": "error", "message": "This model's maximum context length is 9 tokens", "code": 400},
    ],
)
def test_a_conversation_too_long_for_the_model_is_the_callers_400(
    backend: Service, endpoint: Endpoint, sent: dict[str, object]
) -> None:
    endpoint.will_send(as_json(400, sent))

    assert backend.call("/?prompt=hi").answer == error(400, TOO_LONG, "backend")


@pytest.mark.parametrize(
    ("param", "status", "exc"),
    [
        ("temperature", 400, "temperature: refused by the model's endpoint"),
        ("response_format.json_schema", 400, "response_format: refused by the model's endpoint"),
        ("messages[0].content", 400, "messages: refused by the model's endpoint"),
        ("top_p", 502, "the model's endpoint answered 400"),  # not sent by the caller
        ("max_tokens", 502, "the model's endpoint answered 400"),  # LLM_TOKENS_FIELD is wrong
        (KEY, 502, "the model's endpoint answered 400"),
    ],
)
def test_a_field_that_the_endpoint_refuses_is_a_400_if_the_caller_sent_it(
    backend: Service, endpoint: Endpoint, param: str, status: int, exc: str
) -> None:
    endpoint.will_send(as_json(400, {"error": {"message": f"no {KEY}", "param": param}}))

    reply = post(backend, messages=HI, max_tokens=9, temperature=1, response_format={"type": "json_object"})

    assert reply.answer == error(status, exc, "backend")


@cache
def gzip_bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(megabytes)) + packer.flush()


@pytest.mark.parametrize("status", [200, 307, 429, 500])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_large_answer_is_not_read_to_its_end(
    backend: Service, endpoint: Endpoint, status: int, encoding: str
) -> None:
    body = gzip_bomb(300) if encoding == "gzip" else bytes(300_000_000)
    endpoint.will_send(answer(status, body, f"Content-Encoding: {encoding}"))
    before = backend.peak_mib()

    reply = backend.call("/?prompt=hi")

    assert reply.status == (429 if status == 429 else 502)
    assert backend.peak_mib() < before + 30, "expected far less than the body's 300 MB"


@pytest.mark.parametrize(
    ("fields", "logged"),
    [
        ({"type": "not_found_error", "code": "gpt-4.1"}, "not_found_error, code gpt-4.1"),
        ({"type": "BadRequestError", "code": 1234}, "BadRequestError, code 1234"),
        ({"type": "a\n[1] forged", "code": "a\u0085b"}, "?, code ?"),
        ({"type": KEY, "code": f"Bad.{KEY.upper()}"}, "?, code ?"),
        ({"type": "a" * 61, "code": ["a"]}, "?, code ?"),
        ("model not found", "?, code ?"),
    ],
)
def test_an_errors_type_and_code_are_logged_if_they_are_safe(
    backend: Service, endpoint: Endpoint, fields: object, logged: str
) -> None:
    start = len(backend.log)
    endpoint.will_send(as_json(400, {"error": fields}))

    assert backend.call("/?prompt=hi").status == 502
    assert f"the model's endpoint answered 400: type {logged}\"" in backend.log[start:]


def test_what_a_malformed_answer_quotes_is_not_logged(backend: Service, endpoint: Endpoint) -> None:
    start = len(backend.log)
    endpoint.will_send(f"{KEY}\r\n\r\n".encode())

    assert backend.call("/?prompt=hi").answer == error(502, BROKE_OFF, "backend")
    assert f'{BROKE_OFF}: BadStatusLine"' in backend.log[start:]


@pytest.mark.parametrize("when", ["7", "Fri, 31 Dec 1999 23:59:59 GMT"])
@pytest.mark.parametrize(
    ("status", "exc"),
    [(429, "the model's endpoint takes no more requests now"), (503, "the model's endpoint is busy")],
)
def test_a_429_and_a_503_are_passed_on_with_their_retry_after(
    client: Service, endpoint: Endpoint, *, status: int, exc: str, when: str
) -> None:
    endpoint.will_send(as_json(status, {"error": {"message": "slow down"}}, f"Retry-After: {when}"))

    reply = client.call("/?prompt=hi")

    assert reply.answer == error(status, exc)
    assert reply.headers["Retry-After"] == when
    assert len(endpoint.received) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        {"error": "Model m is currently loading", "estimated_time": 20.0},
    ],
)
def test_a_model_that_is_loading_is_a_503_that_says_when_to_come_again(
    backend: Service, endpoint: Endpoint, body: object
) -> None:
    endpoint.will_send(as_json(503, body))

    reply = backend.call("/?prompt=hi")

    assert reply.answer == error(503, "the model is loading", "backend")
    assert reply.headers["Retry-After"] == "5"


def test_an_unreachable_endpoint_is_a_502(start: Start, endpoint: Endpoint) -> None:
    backend = start("backend", **endpoint.settings | {"LLM_BASE_URL": "http://127.0.0.1:1"})

    assert backend.call("/readyz").status == 200
    assert backend.call("/?prompt=hi").answer == error(502, BROKE_OFF, "backend")


def test_answers_that_never_end_are_504s_before_the_client_gives_up(
    start: Start, backend: Service, endpoint: Endpoint
) -> None:
    client = start("client", URL=f"127.0.0.1:{backend.port}", ANSWER_TIMEOUT="2")
    over = threading.Event()

    def trickle(first: bytes, connection: socket.socket) -> None:
        connection.sendall(first)
        while first and not over.wait(0.2):
            connection.sendall(b" ")
        over.wait(PATIENCE)

    beginnings = [b"", HEAD, b"HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\n"]
    endpoint.will(*(partial(trickle, first) for first in beginnings))
    with ThreadPoolExecutor(len(beginnings)) as callers:
        calls = [callers.submit(client.call, "/?prompt=hi") for _ in beginnings]
    over.set()

    late = error(504, "the model did not answer within 1.9 s")
    assert [call.result().answer for call in calls] == [late] * len(beginnings)
