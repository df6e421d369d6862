"""LOGIC=llm with scripted endpoints: bad, slow and large answers."""

import json
import socket
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import quote

import pytest

from tests.calls import PATIENCE, error
from tests.conftest import Start
from tests.processes import ROOT, Service, running
from tests.scripted_backend import Behaviour, ScriptedBackend, answer, as_json, serving

KEY = "sk-hunter2"


def completion(text: object, **more: object) -> bytes:
    return as_json(
        200, {"choices": [{"message": {"role": "assistant", "content": text}, **more}], "model": "m"}
    )


class Endpoint:
    """An endpoint with one behaviour that records the bodies it receives."""

    def __init__(self, upstream: ScriptedBackend) -> None:
        self.upstream = upstream
        self.received: list[dict[str, object]] = []

    def will(self, behaviour: Behaviour) -> None:
        def behave(connection: socket.socket) -> None:
            body = b""
            while True:
                body += connection.recv(65536)
                with suppress(ValueError):
                    self.received.append(json.loads(body))
                    break
            behaviour(connection)

        self.upstream.behaviours[b""] = (behave,)

    def will_send(self, data: bytes) -> None:
        self.will(lambda connection: connection.sendall(data))

    @property
    def settings(self) -> dict[str, str]:
        return {
            "LOGIC": "llm",
            "LLM_BASE_URL": f"http://127.0.0.1:{self.upstream.port}/v1",
            "LLM_MODEL": "m",
            "LLM_API_KEY": KEY,
        }


@pytest.fixture(scope="module")
def only_endpoint() -> Iterator[Endpoint]:
    with serving() as upstream:
        yield Endpoint(upstream)


@pytest.fixture
def endpoint(only_endpoint: Endpoint) -> Endpoint:
    only_endpoint.received.clear()
    only_endpoint.upstream.requests.clear()
    return only_endpoint


@pytest.fixture(scope="module")
def backend(only_endpoint: Endpoint) -> Iterator[Service]:
    with running("backend", ROOT, **only_endpoint.settings, ANSWER_TIMEOUT="2") as it:
        yield it
        assert "hunter2" not in it.log


def test_the_prompt_the_model_and_the_limit_are_sent(backend: Service, endpoint: Endpoint) -> None:
    endpoint.will_send(completion("four", finish_reason="stop"))

    assert backend.call("/?prompt=2%2B2").answer == (
        200,
        {
            "status_code": 200,
            "message": "four",
            "source": "backend",
            "model": "m",
            "finish_reason": "stop",
        },
    )
    assert endpoint.received == [
        {"model": "m", "messages": [{"role": "user", "content": "2+2"}], "max_completion_tokens": 1000}
    ]
    (head,) = endpoint.upstream.requests[b""]
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}\r\n".lower() in head.decode().lower()


def test_the_longest_prompt_of_any_script_arrives_whole_through_the_client(
    start: Start, backend: Service, endpoint: Endpoint
) -> None:
    client = start("client", URL=f"127.0.0.1:{backend.port}")
    endpoint.will_send(completion("long"))
    prompt = "𐍈" * 4000

    assert client.call(f"/?prompt={quote(prompt)}").status == 200
    assert [each["messages"] for each in endpoint.received] == [[{"role": "user", "content": prompt}]]


@pytest.mark.parametrize(
    ("query", "exc"),
    [
        ("", "allowed: prompt=…, once, with 1 to 4000 characters, and nothing else"),
        ("prompt=", "allowed: prompt=…, once, with 1 to 4000 characters, and nothing else"),
        ("prompt=%20%0A", "allowed: prompt=…, once, with 1 to 4000 characters, and nothing else"),
        ("prompt=a&prompt=b", "allowed: prompt=…, once, with 1 to 4000 characters, and nothing else"),
        ("prompt=a&model=b", "allowed: prompt=…, once, with 1 to 4000 characters, and nothing else"),
        ("prompt=" + "a" * 4001, "prompt of 4001 characters; allowed: 4000"),
    ],
)
def test_a_bad_prompt_is_refused_without_a_call(
    backend: Service, endpoint: Endpoint, query: str, exc: str
) -> None:
    assert backend.call(f"/?{query}").answer == error(400, exc, "backend")
    assert endpoint.received == []


def test_a_query_that_is_too_long_is_a_414(start: Start) -> None:
    client = start("client")

    assert client.call("/?prompt=" + "a" * 60_000).answer == error(
        414, "query of 60007 bytes once encoded; allowed: 60000"
    )


UNREACHABLE = "the model's endpoint is unreachable or broke off"
NO_TEXT = "the model's answer has no text"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "exc"),
    [
        (as_json(400, {"error": {"message": f"bad key {KEY}"}}), 502, "the model's endpoint answered 400"),
        (as_json(401, {"error": {"message": f"bad key {KEY}"}}), 502, "the model's endpoint answered 401"),
        (answer(500, b"<h1>oops</h1>", "Content-Type: text/html"), 502, "the model's endpoint answered 500"),
        (as_json(503, {}, "Retry-After: 1"), 502, "the model's endpoint answered 503"),
        (answer(307, b"", "Location: http://127.0.0.1:1/"), 502, "the model's endpoint answered 307"),
        (answer(200, b"<h1>hello</h1>", "Content-Type: text/html"), 502, NO_TEXT),
        (as_json(200, []), 502, NO_TEXT),
        (as_json(200, {"choices": []}), 502, NO_TEXT),
        (completion(None), 502, NO_TEXT),
        (completion("a" * 1_000_001), 502, "the model's answer is larger than 1000000 bytes"),
        (b"", 502, UNREACHABLE),
        (b"HTTP/1.1 nonsense\r\n\r\n", 502, UNREACHABLE),
        (HEAD + b'{"choices":', 502, UNREACHABLE),
    ],
)
def test_a_bad_answer_is_a_clear_error_and_is_not_retried(
    backend: Service, endpoint: Endpoint, sent: bytes, status: int, exc: str
) -> None:
    endpoint.will_send(sent)

    assert backend.call("/?prompt=hi").answer == error(status, exc, "backend")
    assert len(endpoint.received) == 1


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
        ({"type": None, "code": 1234}, "?, code 1234"),
        ({"type": "a\n[1] forged", "code": "a\u0085b"}, "?, code ?"),
        ({"type": KEY, "code": f"bad.{KEY}"}, "?, code ?"),
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
    assert f"the model's endpoint answered 400: type {logged}\n" in backend.log[start:]


def test_what_a_malformed_answer_quotes_is_not_logged(backend: Service, endpoint: Endpoint) -> None:
    start = len(backend.log)
    endpoint.will_send(f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode())

    assert backend.call("/?prompt=hi").answer == error(502, UNREACHABLE, "backend")
    assert f"{UNREACHABLE}: RemoteProtocolError\n" in backend.log[start:]


@pytest.mark.parametrize("when", ["7", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_a_429_is_passed_on_with_its_retry_after(
    start: Start, backend: Service, endpoint: Endpoint, when: str
) -> None:
    client = start("client", URL=f"127.0.0.1:{backend.port}")
    endpoint.will_send(as_json(429, {"error": {"message": "slow down"}}, f"Retry-After: {when}"))

    reply = client.call("/?prompt=hi")

    assert reply.answer == error(429, "the model's endpoint takes no more requests now")
    assert reply.headers["Retry-After"] == when
    assert len(endpoint.received) == 1


def test_an_unreachable_endpoint_is_a_502(start: Start, endpoint: Endpoint) -> None:
    backend = start("backend", **endpoint.settings | {"LLM_BASE_URL": "http://127.0.0.1:1"})

    assert backend.call("/readyz").status == 200
    assert backend.call("/?prompt=hi").answer == error(502, UNREACHABLE, "backend")


@pytest.mark.parametrize("first", [b"", HEAD])
def test_an_answer_that_never_ends_is_a_504_before_the_client_gives_up(
    start: Start, backend: Service, endpoint: Endpoint, first: bytes
) -> None:
    client = start("client", URL=f"127.0.0.1:{backend.port}", ANSWER_TIMEOUT="2")
    over = threading.Event()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(first)
        while first and not over.wait(0.2):
            connection.sendall(b" ")
        over.wait(PATIENCE)

    endpoint.will(trickle)
    reply = client.call("/?prompt=hi")
    over.set()

    assert reply.answer == error(504, "the model did not answer within 1.9 s")


def test_200_slow_answers_at_once_leave_health_and_fast_calls_alone(start: Start, endpoint: Endpoint) -> None:
    backend = start("backend", **endpoint.settings)
    answer_now = threading.Event()

    def wait(connection: socket.socket) -> None:
        if endpoint.received[-1]["messages"] != [{"role": "user", "content": "fast"}]:
            answer_now.wait(PATIENCE)
        connection.sendall(completion("done"))

    endpoint.will(wait)
    with ThreadPoolExecutor(200) as callers:
        slow = [callers.submit(backend.call, "/?prompt=slow") for _ in range(200)]
        endpoint.upstream.await_requests("/?", 200)
        quick = [backend.call(target).seconds for _ in range(20) for target in ("/healthz", "/?prompt=fast")]
        waiting = sum(not each.done() for each in slow)
        answer_now.set()
        replies = [each.result() for each in slow]

    assert waiting == 200
    assert max(quick) < 0.5
    assert [reply.status for reply in replies] == [200] * 200
