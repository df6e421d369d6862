"""The form: a field for each parameter that the backend declares, and any other names and values.

It is a plain GET of `/` whose fields, as they are sent, hold a path, and empty ones; its answer is a redirect
to the URL that they stand for, which is short and can be shared.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from common.contract import RESERVED_PATHS

# Names of fields that are no parameters.
OWN = PATH, NAME, VALUE = "page.path", "page.name", "page.value"
MAX_DECLARED, MAX_FIELDS, MAX_FREE, MAX_CHOICES, MAX_PATHS = 200, 30, 20, 100, 20
# The longest text that comes from elsewhere: a name, and what is said of it (characters).
MAX_NAME, MAX_WORDS = 100, 300
# A longer query than this is not shown (characters).
MAX_QUERY = 8000
# From this length on a text has several lines (characters).
LONG = 200
# The largest number that is shown as one.
MAX_NUMBER = 10**15
# In a path, what need not be encoded.
SAFE = "/%:@!$&'()*+,;=~-._"
# A path that can be a link: no other host's, and no template.
PLAIN_PATH = re.compile(r"/(?![/\\])[!-z|~]{0,200}")


@dataclass
class Field:
    """A field of the form.

    Attributes:
        name: the parameter's.
        kind: `text`, `number`, `long` or `choice`.
        words: what is said of it.
        limits: attributes of the element.
        choices: of a `choice`.
        value: what was asked.
    """

    name: str
    kind: str
    words: str
    limits: dict[str, str] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)
    value: str = ""

    def fill(self, value: str) -> None:
        """Show what was asked, as text where the element could not show it."""
        self.value = value
        if self.kind == "choice" and value not in self.choices:
            self.choices.append(value)
        if self.kind == "number" and not re.fullmatch(r"-?\d+(\.\d+)?", value, re.ASCII):
            self.kind, self.limits = "text", {}
        if self.kind == "text" and (len(value) >= LONG or "\n" in value):
            self.kind = "long"


@dataclass(frozen=True)
class Form:
    """The form, filled with what was asked.

    Attributes:
        path: where it asks.
        fields: one for each declared parameter, but for those in `names`.
        names: other declared parameters, to choose from.
        free: names and values besides, the last of which are empty.
        paths: others that are described.
        is_too_long: whether what was asked is too long to be shown.
    """

    path: str
    fields: list[Field]
    names: list[str]
    free: list[tuple[str, str]]
    paths: list[str]
    is_too_long: bool


def is_submitted(query: str) -> bool:
    """Return whether a query is what the form sends."""
    return f"{PATH}=" in query


def submitted_url(query: str) -> str:
    """Return the path and query, without empty fields, that the form stands for."""
    path, names, values, kept = "/", [], [], []
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        if name == PATH:
            path = value
        elif name == NAME:
            names.append(value)
        elif name == VALUE:
            values.append(value)
        elif value:
            kept.append((name, value.replace("\r\n", "\n")))  # as textareas end lines
    kept += [(name, value) for name, value in zip(names, values, strict=False) if name]
    # One slash at its beginning: two would lead to another host.
    path = f"/{quote(path, safe=SAFE).lstrip('/')}"
    return f"{path}?{urlencode(kept)}" if kept else path


def form_of(path: str, query: str, document: Any) -> Form:  # noqa: ANN401  whatever the backend sent
    """Return the form for a path.

    Args:
        path: the request's, as it was sent.
        query: the request's.
        document: the backend's OpenAPI document, or {} if there is none.
    """
    is_too_long = len(path) + len(query) > MAX_QUERY
    asked = [] if is_too_long else parse_qsl(query, keep_blank_values=True, errors="replace")
    declared = {each.name: each for each in declared_fields(path, document)}
    shown = [each for each in declared.values() if not is_variant(each.name, declared)][:MAX_FIELDS]
    fields = {each.name: each for each in shown}
    free = []
    for name, value in asked:
        if name in fields and not fields[name].value:
            fields[name].fill(value)
        else:
            free.append((name, value))
    is_too_long = is_too_long or len(free) > MAX_FREE
    path = "/" if len(path) > MAX_QUERY else path
    names = [name for name in declared if name not in fields]
    free = [*free[:MAX_FREE], ("", "")]
    return Form(path, shown, names, free, described_paths(document), is_too_long)


def is_variant(name: str, declared: Container[str]) -> bool:
    """Return whether a name is that of another parameter with an operator, such as `price__gt`."""
    return name.rpartition("__")[0] in declared


def described_paths(document: Any) -> list[str]:  # noqa: ANN401
    """Return paths that can be asked with GET as they are."""
    paths = mapping(mapping(document).get("paths"))
    found = (path for path in paths if PLAIN_PATH.fullmatch(path) and "get" in mapping(paths[path]))
    return [path for path in islice(found, MAX_PATHS) if path not in RESERVED_PATHS]


def declared_fields(path: str, document: Any) -> Iterator[Field]:  # noqa: ANN401
    """Return a field for each parameter of the query that is declared for a path."""
    item = item_of(unquote(path), mapping(mapping(document).get("paths")))
    declared = (*items(item.get("parameters")), *items(mapping(item.get("get")).get("parameters")))
    for each in declared[:MAX_DECLARED]:
        parameter = resolved(each, document)
        name, schema = parameter.get("name"), resolved(parameter.get("schema"), document)
        is_one = parameter.get("in") == "query" and schema.get("type") != "object"  # an object: any names
        if is_one and isinstance(name, str) and 0 < len(name) <= MAX_NAME and name not in OWN:
            yield declared_field(name, parameter, schema)


def item_of(path: str, paths: dict[str, Any]) -> dict[str, Any]:
    """Return what describes a path: itself, or as a template such as `/orders/{key}`."""
    if path in paths:
        return mapping(paths[path])
    segments = path.split("/")
    for template, item in paths.items():
        parts = template.split("/")
        if len(parts) == len(segments) and all(map(matches, parts, segments)):
            return mapping(item)
    return {}


def matches(part: str, segment: str) -> bool:
    """Return whether a segment of a path is what a template has there."""
    return part == segment or (part.startswith("{") and part.endswith("}") and segment != "")


def declared_field(name: str, parameter: dict[str, Any], schema: dict[str, Any]) -> Field:
    """Return the field for a parameter."""
    kind, limits = "text", {}
    if schema.get("type") in ("integer", "number"):
        kind, limits["step"] = "number", "1" if schema["type"] == "integer" else "any"
        for limit, keyword in (("min", "minimum"), ("max", "maximum")):
            if text := number(schema.get(keyword)):
                limits[limit] = text
    elif text := number(schema.get("maxLength")):
        kind, limits["maxlength"] = "long" if len(text) > 2 and int(float(text)) >= LONG else "text", text
    choices = ["true", "false"] if schema.get("type") == "boolean" else []
    choices = choices or [text for each in items(schema.get("enum"))[:MAX_CHOICES] if (text := text_of(each))]
    if parameter.get("required") is True:
        limits["required"] = "required"
    return Field(name, "choice" if choices else kind, in_words(parameter, schema, limits), limits, choices)


def in_words(parameter: dict[str, Any], schema: dict[str, Any], limits: dict[str, str]) -> str:
    """Return what is said of a parameter: what it means, what is allowed, and an example."""
    low, high = limits.get("min"), limits.get("max")
    examples = (parameter.get("example"), *items(schema.get("examples")), schema.get("example"))
    said = [text_of(parameter.get("description"))]
    if low and high:
        said.append(f"From {low} to {high}.")
    elif low or high:
        said.append(f"At least {low}." if low else f"At most {high}.")
    if "maxlength" in limits:
        said.append(f"At most {limits['maxlength']} characters.")
    if default := text_of(schema.get("default")):
        said.append(f"Without it {default}.")
    if example := next(filter(None, map(text_of, examples)), ""):
        said.append(f"For example {example}")
    return " ".join(filter(None, said))


def resolved(value: Any, document: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an object, or the component that it refers to."""
    reference = mapping(value).get("$ref")
    if not isinstance(reference, str):
        return mapping(value)
    target = document
    for name in reference.removeprefix("#/").split("/")[:4]:
        target = mapping(target).get(name)
    return mapping(target)


def mapping(value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return an object of JSON, an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:  # noqa: ANN401
    """Return a list of JSON, an empty one for anything else."""
    return value if isinstance(value, list) else []


def number(value: Any) -> str:  # noqa: ANN401
    """Return a number of reasonable size as text, "" for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_NUMBER:
        return ""
    return str(int(value)) if value == int(value) else str(value)


def text_of(value: Any) -> str:  # noqa: ANN401
    """Return a text or a number as text, "" for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value[:MAX_WORDS] if isinstance(value, str) else number(value)
