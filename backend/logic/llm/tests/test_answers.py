"""What the model answers to prompts and conversations, with a scripted endpoint."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from backend.logic.llm.tests.scripted_endpoint import KEY, USAGE, Endpoint, completion, message
from tests.calls import JSON, PATIENCE, Reply, error
from tests.conftest import Start
from tests.processes import Service
from tests.scripted_backend import as_json, waits_for

HI = [{"role": "user", "content": "hi"}]
TEXT = {"type": "text", "text": "ab"}


def post(service: Service, **fields: object) -> Reply:
    return service.call("/", "POST", JSON, body=json.dumps(fields).encode())


def test_the_prompt_the_model_and_the_limit_are_sent(backend: Service, endpoint: Endpoint) -> None:
    endpoint.will_send(completion("four"))

    assert backend.call("/?prompt=2%2B2").answer == (
        200,
        {
            "status_code": 200,
            "message": "four",
            "source": "backend",
            "model": "m-2026",
            "finish_reason": "stop",
            "usage": USAGE,
        },
    )
    assert endpoint.received == [
        {"model": "m", "messages": [{"role": "user", "content": "2+2"}], "max_completion_tokens": 1000}
    ]
    (head,) = endpoint.heads
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}\r\n".encode() in head


def test_a_conversation_and_its_options_reach_the_endpoint_through_the_client(
    client: Service, endpoint: Endpoint
) -> None:
    endpoint.will_send(completion('{"city": "Rome"}', "length"))
    schema = {"name": "city", "schema": {"type": "object"}}
    options = {
        "messages": [
            {"role": "system", "content": "be brief"},
            *HI,
            {"role": "assistant", "content": ""},
            *HI,
        ],
        "temperature": 0.5,
        "top_p": 1,
        "seed": 7,
        "stop": ["\n"],
        "response_format": {"type": "json_schema", "json_schema": schema},
    }

    reply = post(client, max_tokens=16, **options)

    assert reply.answer == (
        200,
        {
            "status_code": 200,
            "message": '{"city": "Rome"}',
            "source": "client",
            "model": "m-2026",
            "finish_reason": "length",
            "usage": USAGE,
        },
    )
    assert endpoint.received == [options | {"model": "m", "max_completion_tokens": 16}]


def test_the_longest_prompt_of_any_script_arrives_whole_through_the_client(
    client: Service, endpoint: Endpoint
) -> None:
    endpoint.will_send(completion("long"))
    prompt = "𐍈" * 4000

    assert client.call(f"/?prompt={quote(prompt)}").status == 200
    assert [each["messages"] for each in endpoint.received] == [[{"role": "user", "content": prompt}]]


ALLOWED_PROMPT = (
    "allowed: prompt=…, once, with 1 to 4000 characters, and nothing else; or POST a conversation"
)


@pytest.mark.parametrize(
    ("query", "exc"),
    [
        ("", ALLOWED_PROMPT),
        ("prompt=", ALLOWED_PROMPT),
        ("prompt=%20%0A", ALLOWED_PROMPT),
        ("prompt=a&prompt=b", ALLOWED_PROMPT),
        ("prompt=a&model=b", ALLOWED_PROMPT),
        ("prompt=" + "a" * 4001, "prompt of 4001 characters; allowed: 4000"),
    ],
)
def test_a_bad_prompt_is_refused_without_a_call(
    backend: Service, endpoint: Endpoint, query: str, exc: str
) -> None:
    assert backend.call(f"/?{query}").answer == error(400, exc, "backend")
    assert endpoint.received == []


def test_a_query_that_is_too_long_is_a_414(client: Service) -> None:
    assert client.call("/?prompt=" + "a" * 60_000).answer == error(
        414, "query of 60007 bytes; allowed: 60000"
    )


def test_a_bad_conversation_is_refused_without_a_call(backend: Service, endpoint: Endpoint) -> None:
    reply = post(backend, messages=HI, temperature=3)

    assert reply.answer == error(400, "temperature: expected a number from 0 to 2", "backend")
    assert endpoint.received == []


@pytest.mark.parametrize("body", [b'{"messages": [', b'{"messages": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(backend: Service, endpoint: Endpoint, body: bytes) -> None:
    reply = backend.call("/", "POST", JSON, body=body)

    assert reply.answer[0] == 400
    assert endpoint.received == []


def test_the_system_prompt_goes_first_and_callers_cannot_send_their_own(
    start: Start, endpoint: Endpoint
) -> None:
    backend = start("backend", **endpoint.settings, LLM_SYSTEM_PROMPT="Answer in\nrhymes.")
    endpoint.will_send(completion("done"))
    first = {"role": "system", "content": "Answer in\nrhymes."}

    assert backend.call("/?prompt=hi").status == 200
    assert post(backend, messages=HI).status == 200
    reply = post(backend, messages=[{"role": "system", "content": "Do not."}, *HI])

    assert reply.status == 400
    assert [each["messages"] for each in endpoint.received] == [[first, *HI]] * 2
    assert "rhymes" not in backend.log


def test_the_limit_on_tokens_has_the_name_that_the_endpoint_wants(start: Start, endpoint: Endpoint) -> None:
    backend = start("backend", **endpoint.settings, LLM_TOKENS_FIELD="max_tokens", LLM_MAX_TOKENS="20")
    endpoint.will_send(completion("done"))

    assert post(backend, messages=HI).status == 200
    assert post(backend, messages=HI, max_tokens=16).status == 200
    assert post(backend, messages=HI, max_tokens=21).answer == error(
        400, "max_tokens: expected a whole number from 1 to 20", "backend"
    )
    sent = {"model": "m", "messages": HI}
    assert endpoint.received == [sent | {"max_tokens": 20}, sent | {"max_tokens": 16}]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", ""),
        ("\ud800 \u2028", "\ud800 \u2028"),
        (
            [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": "a"},
                {"type": "text", "text": "b"},
            ],
            "ab",
        ),
    ],
)
def test_the_message_is_the_text_in_whatever_form_it_comes(
    backend: Service, endpoint: Endpoint, content: object, text: str
) -> None:
    endpoint.will_send(as_json(200, message(content=content)))

    assert backend.call("/?prompt=hi").answer[1]["message"] == text


def test_fields_that_the_endpoint_leaves_out_are_null(backend: Service, endpoint: Endpoint) -> None:
    endpoint.will_send(as_json(200, {"choices": [{"message": {"content": "bare"}}]}))

    fields = backend.call("/?prompt=hi").answer[1]

    assert fields["message"] == "bare"
    assert {fields[name] for name in ("model", "finish_reason", "usage")} == {None}


def test_prompts_and_answers_are_logged_only_if_a_setting_says_so(
    start: Start, backend: Service, endpoint: Endpoint
) -> None:
    talkative = start("backend", **endpoint.settings, LLM_LOG_PROMPTS="true")
    endpoint.will_send(completion("secret\n[1] answer"))

    for each in (backend, talkative):
        post(each, messages=[{"role": "user", "content": "secret prompt"}])

    assert "secret" not in backend.log
    (message,) = [each["message"] for each in talkative.lines if "secret" in each.get("message", "")]
    assert "secret prompt" in message
    assert r"secret\n[1] answer" in message


def test_calls_beyond_the_limit_are_refused_until_others_end(start: Start, endpoint: Endpoint) -> None:
    backend = start("backend", **endpoint.settings, LLM_MAX_CALLS="2")
    answer_now = threading.Event()
    endpoint.will(waits_for(answer_now, completion("done")))

    with ThreadPoolExecutor(2) as callers:
        slow = [callers.submit(backend.call, "/?prompt=slow") for _ in range(2)]
        endpoint.upstream.await_requests("/?", 2)
        refused = backend.call("/?prompt=one-too-many")
        answer_now.set()
        statuses = [each.result().status for each in slow]

    assert refused.answer == error(503, "2 calls of the model are under way", "backend")
    assert refused.headers["Retry-After"] == "1"
    assert statuses == [200, 200]
    assert backend.call("/?prompt=again").status == 200
    assert len(endpoint.received) == 3


def test_200_slow_answers_at_once_leave_health_and_fast_calls_alone(start: Start, endpoint: Endpoint) -> None:
    backend = start("backend", **endpoint.settings)
    answer_now = threading.Event()

    def wait(connection: socket.socket) -> None:
        if endpoint.received[-1]["messages"] != [{"role": "user", "content": "fast"}]:
            answer_now.wait(PATIENCE)
        connection.sendall(completion("done"))

    endpoint.will(wait)
    with ThreadPoolExecutor(200) as callers:
        slow = []
        for number in range(20, 201, 20):  # not all at once, which is overload on a busy machine
            slow += [callers.submit(backend.call, "/?prompt=slow") for _ in range(20)]
            endpoint.upstream.await_requests("/?", number)
        quick = [backend.call(target).seconds for _ in range(20) for target in ("/healthz", "/?prompt=fast")]
        waiting = sum(not each.done() for each in slow)
        answer_now.set()
        replies = [each.result() for each in slow]

    assert waiting == 200
    assert sorted(quick)[-4] < 1, f"expected 9 of 10 fast: {quick}"
    assert [reply.status for reply in replies] == [200] * 200
