"""What Schemathesis cannot know of conversations, since JSON Schema cannot say it."""

from typing import Any

import schemathesis
from schemathesis import Case, HookContext


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:  # noqa: ARG001  its interface
    """Let a conversation that is to be accepted end with something that the user says."""
    if case.meta and case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        body: dict[str, Any] = dict(case.body)
        body["messages"] = [*body["messages"], {"role": "user", "content": "hi"}]
        case.body = body
