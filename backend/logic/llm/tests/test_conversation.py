"""What callers may send."""

from typing import Any

import jsonschema_rs
import pytest
from werkzeug.exceptions import BadRequest

from backend.logic.llm.conversation import Conversations

HI = [{"role": "user", "content": "hi"}]
MESSAGES = (
    'messages: expected a list of {"role": …, "content": "…"} with the roles system, user, assistant, '
    "of which the last is user's and not blank"
)


SCHEMA = Conversations(10, "").schema
# What JSON Schema cannot say of the last message.
UNSAID = [[*HI, {"role": "assistant", "content": "hello"}], [{"role": "user", "content": " \n"}]]


def refused(conversations: Conversations, body: object) -> Any:
    with pytest.raises(BadRequest) as refusal:
        conversations.from_json(body)
    return refusal.value.description


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        {},
        "hi",
        ["hi"],
        [{"role": "user"}],
        [{"content": "hi"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1"}}]}],
        [{"role": "user", "content": "hi", "name": "Ada"}],
        [{"role": ["user"], "content": "hi"}],
        [{"role": "tool", "content": "4"}, *HI],
        *UNSAID,
    ],
)
def test_messages_that_are_no_conversation_are_refused(messages: object) -> None:
    assert refused(Conversations(10, ""), {"messages": messages}) == MESSAGES
    assert jsonschema_rs.is_valid(SCHEMA, {"messages": messages}) == (messages in UNSAID)


def test_a_body_without_messages_is_refused() -> None:
    assert refused(Conversations(10, ""), {"seed": 1}) == MESSAGES
    assert refused(Conversations(10, ""), [HI]) == "allowed: a JSON object with messages"


def test_a_field_that_is_not_passed_on_is_refused_with_the_names_of_those_that_are() -> None:
    assert refused(Conversations(10, ""), {"messages": HI, "model": "large"}) == (
        "model: no such field; allowed: messages, max_tokens, temperature, top_p, seed, stop, response_format"
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max_tokens", [0, 11, 1.5, "5", True, None]),
        ("temperature", [-0.1, 2.1, "1", False, None]),
        ("top_p", [-1, 1.1, [], None]),
        ("seed", [-1, 2**31, 0.5, None]),
        ("stop", ["", [], ["a"] * 5, [""], [1], 1, None]),
        (
            "response_format",
            [
                "json_object",
                {},
                {"type": "xml"},
                {"type": ["text"]},
                {"type": "text", "json_schema": {}},
                {"type": "json_schema"},
                {"type": "json_schema", "json_schema": "{}"},
            ],
        ),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_with_what_is(name: str, values: list[object]) -> None:
    for value in values:
        exc = refused(Conversations(10, ""), {"messages": HI, name: value})
        assert exc.startswith(f"{name}: expected "), value
        assert not jsonschema_rs.is_valid(SCHEMA, {"messages": HI, name: value}), value


def test_callers_who_name_no_limit_get_the_highest() -> None:
    conversations = Conversations(10, "")

    assert conversations.from_json({"messages": HI})["max_tokens"] == 10
    assert conversations.from_json({"messages": HI, "max_tokens": 3})["max_tokens"] == 3
    one = conversations.from_json({"messages": HI, "max_tokens": 1.0})["max_tokens"]
    assert (one, type(one)) == (1, int), "in JSON 1.0 is 1"
