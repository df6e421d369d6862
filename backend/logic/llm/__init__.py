"""The logic `llm`: a language model's answers, from any OpenAI-compatible endpoint."""

import json
import logging
from collections.abc import Collection, Iterator
from contextlib import closing
from typing import Any

from flask import Blueprint, request
from werkzeug.exceptions import BadGateway

from backend.app import parameters
from backend.logic import Logic
from backend.logic.llm.completion import Completion, chunks
from backend.logic.llm.conversation import Conversations
from backend.logic.llm.description import operations
from backend.logic.llm.endpoint import BROKE_OFF, Endpoint
from backend.logic.llm.settings import Settings
from common.sse import wants_events

log = logging.getLogger(__name__)


def make(settings: Settings) -> Logic:
    """Return the logic: GET with a prompt, or POST with a conversation."""
    model = Model(settings)
    conversations = Conversations(settings.llm_max_tokens, settings.llm_system_prompt)
    blueprint = Blueprint("llm", __name__)

    def respond(fields: dict[str, Any], callers: Collection[str] = ()) -> Any:  # noqa: ANN401  answer or stream
        ask = model.stream if wants_events(request.environ) else model.answer
        return ask(fields, callers)

    @blueprint.get("/")
    def prompt() -> Any:  # noqa: ANN401
        return respond(conversations.from_query(parameters(request.query_string)))

    @blueprint.post("/")
    def conversation() -> Any:  # noqa: ANN401
        body = request.get_json()
        # Without the limit on tokens: its name at the endpoint is a setting, not the caller's.
        return respond(conversations.from_json(body), body.keys() - {"max_tokens"})

    return Logic(blueprint, operations=lambda: operations(conversations))


class Model:
    """A model behind an endpoint."""

    def __init__(self, settings: Settings) -> None:
        self.endpoint = Endpoint(settings)
        self.name = settings.llm_model
        self.tokens_field = settings.llm_tokens_field
        self.log_prompts = settings.llm_log_prompts

    def answer(self, fields: dict[str, Any], callers: Collection[str]) -> dict[str, Any]:
        """Return the model's answer to a conversation.

        Args:
            fields: the conversation, from `Conversations`.
            callers: which of the fields the caller sent.

        Raises:
            HTTPException: see `Endpoint.complete` and `Completion`.
        """
        completion = Completion()
        completion.add(self.endpoint.complete(self.request(fields), callers))
        return self.logged(fields, completion.fields())

    def stream(self, fields: dict[str, Any], callers: Collection[str]) -> Iterator[dict[str, Any]]:
        """Yield the text piece by piece, and the whole answer at the end; otherwise like `answer`."""
        completion = Completion()
        request = self.request(fields) | {"stream": True, "stream_options": {"include_usage": True}}
        with closing(self.endpoint.stream(request, callers)) as pieces:
            for chunk in chunks(pieces):
                if text := completion.add(chunk):
                    yield {"delta": text}
        if not completion.finish_reason:
            raise BadGateway(BROKE_OFF)
        yield self.logged(fields, completion.fields())

    def request(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the request for a completion."""
        request = {"model": self.name} | fields
        request[self.tokens_field] = request.pop("max_tokens")
        return request

    def logged(self, fields: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        """Return the answer, which is logged with its conversation where LLM_LOG_PROMPTS is true."""
        if self.log_prompts:
            log.warning("asked %s, answered %s", json.dumps(fields), json.dumps(answer))
        return answer
