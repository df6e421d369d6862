"""What a logic takes: declared once, checked by the backend, and described in /openapi.json."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from common.text import shortened

TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
NUMBERS = {int: r"-?[0-9]{1,400}", float: r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?"}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A parameter of the query, which may be given once.

    Attributes:
        name: its name.
        description: what it means.
        type: str, int, float or bool.
        minimum, maximum: of a number.
        max_length: of a text, in characters.
        pattern: a regular expression that is found in a text.
        choices: the values that are allowed, if there are only some.
        example: a value that is allowed.
        required: whether it must be given.
        default: its value where it is not given.
    """

    name: str
    description: str
    type: type = str
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    pattern: str | None = None
    choices: Sequence[Any] = ()
    example: Any = None
    required: bool = False
    default: Any = None

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return ", ".join(map(str, self.choices))
        if self.type is bool:
            return "true or false"
        if self.type is not str:
            low, high = self.minimum, self.maximum
            limits = f"from {low} to {high}" if None not in (low, high) else ""
            limits = limits or (f"of at least {low}" if low is not None else "")
            limits = limits or (f"of at most {high}" if high is not None else "")
            return f"a {'whole ' if self.type is int else ''}number {limits}".strip()
        words = "text" if self.max_length is None else f"text of at most {self.max_length} characters"
        return words if self.pattern is None else f"{words} that has {self.pattern}"

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as a JSON Schema."""
        keywords = {
            "type": TYPES[self.type],
            "minimum": self.minimum,
            "maximum": self.maximum,
            "maxLength": self.max_length,
            "pattern": self.pattern,
            "enum": list(self.choices) or None,
            "default": self.default,
        }
        return {keyword: value for keyword, value in keywords.items() if value is not None}

    def described(self) -> dict[str, Any]:
        """Return this as OpenAPI's parameter object."""
        described = {
            "name": self.name,
            "in": "query",
            "description": self.description,
            "required": self.required,
            "schema": self.schema,
        }
        return described if self.example is None else described | {"example": self.example}

    def value(self, text: str) -> Any:  # noqa: ANN401  of its type
        """Return the value that a text in the query stands for.

        Raises:
            BadRequest: it is not allowed; says what is.
        """
        if self.max_length is not None and len(text) > self.max_length:
            raise BadRequest(f"{self.name} of {len(text)} characters; allowed: {self.max_length}")
        try:
            value = self.parsed(text)
        except ValueError:
            raise BadRequest(f"{self.name}={shortened(text)!r}; allowed: {self.allowed}") from None
        return value

    def value_in(self, query: MultiDict[str, str]) -> Any:  # noqa: ANN401  of its type
        """Return the value that a query gives, or the default; see `value`."""
        text = query.get(self.name)
        return self.default if text is None else self.value(text)

    def parsed(self, text: str) -> Any:  # noqa: ANN401  of its type
        """Return the text as a value; ValueError if it is not allowed."""
        value: Any = text
        if self.type is bool:
            value = {"true": True, "false": False}.get(text)
        elif self.type is not str:
            value = self.type(text) if re.fullmatch(NUMBERS[self.type], text) else None
        if value is None or (self.choices and value not in self.choices):
            raise ValueError
        if self.type is str and not re.search(self.pattern or "", text):
            raise ValueError
        if self.type in NUMBERS:
            low = -math.inf if self.minimum is None else self.minimum
            high = math.inf if self.maximum is None else self.maximum
            if not low <= value <= high or value in (math.inf, -math.inf):
                raise ValueError
        return value


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a route of a logic takes and answers with one method, for its description.

    Attributes:
        rule: the route, as Flask has it: `/<table>`.
        method: GET, or another one of the route.
        path: the path, if one of those that match the route is described by itself: `/orders`.
        summary: what it does.
        parameters: of the query; those of other kinds as OpenAPI's parameter objects.
        body: the JSON Schema of the body, if it has one.
        answer: the JSON Schema of the answer, besides `status_code`, `message` and `source`.
        errors: the statuses of errors besides those that any request may have, each with its meaning.
        others: other responses, by their status, as OpenAPI's response objects.
        streams: whether it yields mappings.
    """

    rule: str
    method: str = "GET"
    path: str = ""
    summary: str = ""
    parameters: Sequence[Parameter | Mapping[str, Any]] = ()
    body: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    others: Mapping[str, Any] = field(default_factory=dict)
    streams: bool = False


def checked(parameters: Sequence[Parameter], query: MultiDict[str, str]) -> MultiDict[str, Any]:
    """Return the values of a query's parameters, and defaults of those that it does not have.

    Raises:
        BadRequest: something of it is not allowed; says what is.
    """
    declared = {each.name: each for each in parameters}
    for name in query:
        if name not in declared:
            allowed = ", ".join(declared) or "no parameters"
            raise BadRequest(f"unknown {shortened(name)!r}; allowed: {allowed}")
    values: MultiDict[str, Any] = MultiDict()
    for name, parameter in declared.items():
        if len(query.getlist(name)) > 1:
            raise BadRequest(f"{name} is given twice")
        value = parameter.value_in(query)
        if value is not None:
            values[name] = value
        elif parameter.required:
            raise BadRequest(f"{name} is missing; allowed: {parameter.allowed}")
    return values
