"""Declared parameters: what is checked, and how it is described."""

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from backend.parameters import Parameter, checked

NAME = Parameter(name="name", description="Whom to greet.", max_length=5, example="Ada", required=True)
TIMES = Parameter(name="times", description="How often.", type=int, minimum=1, maximum=9, default=1)
LOUD = Parameter(name="loud", description="In capitals.", type=bool)
SPEED = Parameter(name="speed", description="Words a second.", type=float, minimum=0)
WORD = Parameter(name="word", description="The greeting.", choices=("hello", "hi"))
DAY = Parameter(name="day", description="When.", pattern="^[0-9]{4}$")
ALL = [NAME, TIMES, LOUD, SPEED, WORD, DAY]


def test_values_have_their_types_and_defaults() -> None:
    given = {"name": "Ada", "loud": "true", "speed": "1e-1", "word": "hi", "day": "2026"}

    expected = {"name": "Ada", "times": 1, "loud": True, "speed": 0.1, "word": "hi", "day": "2026"}
    assert checked(ALL, MultiDict(given)).to_dict() == expected


@pytest.mark.parametrize(
    ("query", "exc"),
    [
        ([], "name is missing; allowed: text of at most 5 characters"),
        ([("name", "a"), ("name", "b")], "name is given twice"),
        (
            [("name", "a"), ("x" * 200, "")],
            f"unknown '{'x' * 99}…'; allowed: name, times, loud, speed, word, day",
        ),
        ([("name", "Isabel")], "name of 6 characters; allowed: 5"),
        ([("times", "0")], "times='0'; allowed: a whole number from 1 to 9"),
        ([("times", "1.5")], "times='1.5'; allowed: a whole number from 1 to 9"),
        ([("times", "1" * 5000)], f"times='{'1' * 99}…'; allowed: a whole number from 1 to 9"),
        ([("times", "٣")], "times='٣'; allowed: a whole number from 1 to 9"),
        ([("loud", "True")], "loud='True'; allowed: true or false"),
        ([("speed", "-1")], "speed='-1'; allowed: a number of at least 0"),
        ([("speed", "nan")], "speed='nan'; allowed: a number of at least 0"),
        ([("speed", "1e999")], "speed='1e999'; allowed: a number of at least 0"),
        ([("word", "bye")], "word='bye'; allowed: hello, hi"),
        ([("day", "today")], "day='today'; allowed: text that has ^[0-9]{4}$"),
    ],
)
def test_what_is_not_allowed_is_a_400_that_says_what_is(query: list[tuple[str, str]], exc: str) -> None:
    with pytest.raises(BadRequest) as refused:
        checked(ALL if exc.startswith(("name", "unknown")) else ALL[1:], MultiDict(query))

    assert refused.value.description == exc


@pytest.mark.parametrize(
    ("parameter", "schema"),
    [
        (NAME, {"type": "string", "maxLength": 5}),
        (TIMES, {"type": "integer", "minimum": 1, "maximum": 9, "default": 1}),
        (LOUD, {"type": "boolean"}),
        (SPEED, {"type": "number", "minimum": 0}),
        (WORD, {"type": "string", "enum": ["hello", "hi"]}),
        (DAY, {"type": "string", "pattern": "^[0-9]{4}$"}),
    ],
)
def test_the_same_declaration_is_described(parameter: Parameter, schema: dict[str, Any]) -> None:
    described = parameter.described()

    example = described.pop("example", None)
    assert example == ("Ada" if parameter is NAME else None)
    assert described == {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "required": parameter is NAME,
        "schema": schema,
    }
