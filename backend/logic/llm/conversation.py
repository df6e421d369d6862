"""What a caller asks the model: a prompt, or a conversation in OpenAI's terms."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from backend.parameters import Parameter
from common.text import shortened

PROMPT = Parameter(
    name="prompt",
    description="A question to the model.",
    max_length=4000,
    pattern=r"\S",  # not blank
    example="Why is the sky blue?",
    required=True,
)


class Field(NamedTuple):
    """A field of a conversation.

    Attributes:
        check: tells whether a value is allowed.
        allowed: what is, in words.
        schema: what is, as a JSON Schema.
    """

    check: Callable[[Any], bool]
    allowed: str
    schema: dict[str, Any]


def whole_number(low: int, high: int) -> Field:
    """Return a field of whole numbers from low to high."""
    # `type` because True and False are an int to isinstance.
    return Field(
        lambda value: type(value) is int and low <= value <= high,
        f"a whole number from {low} to {high}",
        {"type": "integer", "minimum": low, "maximum": high},
    )


def number(low: int, high: int) -> Field:
    """Return a field of numbers from low to high."""
    return Field(
        lambda value: type(value) in (int, float) and low <= value <= high,
        f"a number from {low} to {high}",
        {"type": "number", "minimum": low, "maximum": high},
    )


def messages(roles: tuple[str, ...]) -> Field:
    """Return a field of messages with these roles, the last of which is the user's."""
    words = (
        f'a list of {{"role": …, "content": "…"}} with the roles {", ".join(roles)}, '
        "of which the last is user's and not blank"
    )
    message = {
        "type": "object",
        "required": ["role", "content"],
        "properties": {"role": {"enum": list(roles)}, "content": {"type": "string"}},
        "additionalProperties": False,
    }
    return Field(are_messages(roles), words, {"type": "array", "items": message, "minItems": 1})


def are_messages(roles: tuple[str, ...]) -> Callable[[Any], bool]:
    """Return a check for a list of messages with these roles, the last of which is the user's."""

    def check(value: Any) -> bool:  # noqa: ANN401  any JSON
        return (
            isinstance(value, list)
            and all(
                isinstance(each, dict)
                and set(each) == {"role", "content"}
                and each["role"] in roles
                and isinstance(each["content"], str)
                for each in value
            )
            and bool(value)
            and value[-1]["role"] == "user"
            and bool(value[-1]["content"].strip())
        )

    return check


def is_stop(value: Any) -> bool:  # noqa: ANN401  any JSON
    """Return whether the value is a text, or one to four of them."""
    texts = value if isinstance(value, list) else [value]
    return 1 <= len(texts) <= 4 and all(isinstance(each, str) and each for each in texts)


def is_response_format(value: Any) -> bool:  # noqa: ANN401  any JSON
    """Return whether the value is a response format, without a look into its JSON schema."""
    if not isinstance(value, dict):
        return False
    if value.get("type") == "json_schema":
        return set(value) == {"type", "json_schema"} and isinstance(value["json_schema"], dict)
    return set(value) == {"type"} and value["type"] in ("text", "json_object")


STOP = {"type": "string", "minLength": 1}
STOPS = Field(
    is_stop,
    "a text, or a list of one to four",
    {"anyOf": [STOP, {"type": "array", "items": STOP, "minItems": 1, "maxItems": 4}]},
)
RESPONSE_FORMAT = Field(
    is_response_format,
    '{"type": "text"}, {"type": "json_object"}, or {"type": "json_schema", "json_schema": {…}}',
    {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"enum": ["text", "json_object", "json_schema"]},
            "json_schema": {"type": "object"},
        },
        "additionalProperties": False,
        "if": {"properties": {"type": {"const": "json_schema"}}},
        "then": {"required": ["json_schema"]},
        "else": {"properties": {"json_schema": False}},
    },
)


def whole(value: Any) -> Any:  # noqa: ANN401  any JSON
    """Return 1 for 1.0, which in JSON is the same number; any other value as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Conversations:
    """Turns what callers send into fields of a chat completion's request.

    Args:
        max_tokens: longest answer that a caller may ask for, and the one of callers who do not say.
        system_prompt: goes before each conversation; callers then send no `system` messages of their own.
    """

    def __init__(self, max_tokens: int, system_prompt: str) -> None:
        self.max_tokens = max_tokens
        self.first = [{"role": "system", "content": system_prompt}] if system_prompt else []
        roles = ("user", "assistant") if system_prompt else ("system", "user", "assistant")
        self.fields = {
            "messages": messages(roles),
            "max_tokens": whole_number(1, max_tokens),
            "temperature": number(0, 2),
            "top_p": number(0, 1),
            "seed": whole_number(0, 2**31 - 1),
            "stop": STOPS,
            "response_format": RESPONSE_FORMAT,
        }

    @property
    def schema(self) -> dict[str, Any]:
        """What `from_json` takes, as a JSON Schema."""
        return {
            "type": "object",
            "required": ["messages"],
            "properties": {
                name: {"description": field.allowed} | field.schema for name, field in self.fields.items()
            },
            "additionalProperties": False,
        }

    def from_query(self, args: MultiDict[str, str]) -> dict[str, Any]:
        """Return the conversation that a query's only parameter, the prompt, begins.

        Raises:
            BadRequest: the query has no prompt, one that is too long, or something else.
        """
        prompts = args.getlist(PROMPT.name)
        if set(args) != {PROMPT.name} or len(prompts) != 1 or not prompts[0].strip():
            raise BadRequest(
                f"allowed: prompt=…, once, with 1 to {PROMPT.max_length} characters, and nothing else; "
                "or POST a conversation"
            )
        return self.begun_by_system({"messages": [{"role": "user", "content": PROMPT.value(prompts[0])}]})

    def from_json(self, body: object) -> dict[str, Any]:
        """Return the conversation in the body of a POST.

        Raises:
            BadRequest: it has no messages, or a field or a value that is not allowed.
        """
        if not isinstance(body, Mapping):
            raise BadRequest("allowed: a JSON object with messages")
        for name in body:
            if name not in self.fields:
                raise BadRequest(f"{shortened(name)}: no such field; allowed: {', '.join(self.fields)}")
        fields = {name: whole(value) for name, value in body.items()}
        for name, field in self.fields.items():
            if (name in fields or name == "messages") and not field.check(fields.get(name)):
                raise BadRequest(f"{name}: expected {field.allowed}")
        return self.begun_by_system(fields)

    def begun_by_system(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields with the system prompt and a limit on the answer's tokens."""
        return {"max_tokens": self.max_tokens} | fields | {"messages": self.first + fields["messages"]}
