"""The description of what the model is asked, and of what it answers."""

from typing import Any

from backend.logic.llm.conversation import PROMPT, Conversations
from backend.parameters import Operation

ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["model", "finish_reason", "usage"],
    "properties": {
        "message": {"type": "string", "description": "The model's text."},
        "model": {"type": ["string", "null"]},
        "finish_reason": {"type": ["string", "null"]},
        "usage": {"type": ["object", "null"], "description": "Tokens, as the endpoint counts them."},
    },
}
ERRORS = {
    422: "The model refuses, or ends without a text.",
    429: "The endpoint takes no more requests now.",
    502: "The endpoint is away, or answers with something else.",
    503: "Too much load, or the model is loading: come again after `Retry-After`.",
    504: "The endpoint takes too long.",
}


def operations(conversations: Conversations) -> list[Operation]:
    """Return what the routes take and answer."""
    question = Operation(
        rule="/", summary="One question.", parameters=[PROMPT], answer=ANSWER, errors=ERRORS, streams=True
    )
    conversation = Operation(
        rule="/",
        method="POST",
        summary="A conversation, in OpenAI's terms.",
        body=conversations.schema,
        answer=ANSWER,
        errors=ERRORS,
        streams=True,
    )
    return [question, conversation]
