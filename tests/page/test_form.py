"""The form: which fields it has, what they are filled with, and where it leads."""

from typing import Any
from urllib.parse import urlencode

import pytest

from client.page.form import Field, form_of, submitted_url


def described(*parameters: dict[str, Any], path: str = "/") -> dict[str, Any]:
    declared = [{"in": "query", "schema": {"type": "string"}} | each for each in parameters]
    return {"paths": {path: {"get": {"parameters": declared}}}}


def only_field(query: str = "", **schema: Any) -> Field:
    [field] = form_of("/", query, described({"name": "x", "schema": schema})).fields
    return field


@pytest.mark.parametrize(
    ("schema", "kind", "limits", "words"),
    [
        ({"type": "string"}, "text", {}, ""),
        ({"type": "string", "maxLength": 10}, "text", {"maxlength": "10"}, "At most 10 characters."),
        ({"type": "string", "maxLength": 4000}, "long", {"maxlength": "4000"}, "At most 4000 characters."),
        (
            {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
            "number",
            {"step": "1", "min": "1", "max": "100"},
            "From 1 to 100. Without it 20.",
        ),
        ({"type": "number", "minimum": 0.5}, "number", {"step": "any", "min": "0.5"}, "At least 0.5."),
        ({"type": "boolean"}, "choice", {}, ""),
        ({"type": "string", "enum": ["a", "b"], "examples": ["b"]}, "choice", {}, "For example b"),
        ({"type": "integer", "minimum": 10**400}, "number", {"step": "1"}, ""),
        ({"type": ["string", "null"], "maxLength": "no"}, "text", {}, ""),
    ],
)
def test_a_declared_parameter_is_a_field_with_its_limits(
    schema: dict[str, Any], kind: str, limits: dict[str, str], words: str
) -> None:
    field = only_field(**schema)

    assert (field.kind, field.limits, field.words) == (kind, limits, words)


def test_what_is_said_of_a_parameter_and_that_it_is_required_are_shown() -> None:
    [field] = form_of(
        "/", "", described({"name": "x", "description": "The price.", "example": 9.5, "required": True})
    ).fields

    assert field.words == "The price. For example 9.5"
    assert field.limits == {"required": "required"}


def test_the_form_is_filled_with_what_was_asked() -> None:
    form = form_of("/", "x=1&y=2&x=3&z=", described({"name": "x"}, {"name": "z"}))

    assert [(field.name, field.value) for field in form.fields] == [("x", "1"), ("z", "")]
    assert form.free == [("y", "2"), ("x", "3"), ("", "")]


@pytest.mark.parametrize(
    ("schema", "value", "kind"),
    [
        ({"type": "integer"}, "12", "number"),
        ({"type": "integer"}, "twelve", "text"),
        ({"type": "string"}, "a\nb", "long"),
        ({"type": "string"}, "a" * 500, "long"),
        ({"type": "string", "enum": ["a"]}, "b", "choice"),
    ],
)
def test_a_value_that_is_not_allowed_is_shown_as_it_was_asked(
    schema: dict[str, Any], value: str, kind: str
) -> None:
    field = only_field(urlencode({"x": value}), **schema)

    assert (field.value, field.kind) == (value, kind)
    assert not field.choices or value in field.choices


def test_a_parameter_of_any_names_is_no_field() -> None:
    assert form_of("/", "", described({"name": "query", "schema": {"type": "object"}})).fields == []


@pytest.mark.parametrize(
    ("path", "names"),
    [("/orders", ["limit"]), ("/orders/7", ["key"]), ("/orders/", []), ("/a/b/c", []), ("/b%20c", ["blank"])],
)
def test_a_path_has_the_fields_of_its_description_or_template(path: str, names: list[str]) -> None:
    paths: dict[str, Any] = {}
    for template, name in (("/orders", "limit"), ("/{table}/{key}", "key"), ("/b c", "blank")):
        paths |= described({"name": name}, path=template)["paths"]

    assert [field.name for field in form_of(path, "", {"paths": paths}).fields] == names


def test_what_has_no_field_can_be_chosen_among_other_names() -> None:
    names = ["price", "price__gt", "price__lt", "x__y", *(f"more{number}" for number in range(40))]
    form = form_of("/", "price__gt=60", described(*({"name": name} for name in names)))

    assert [field.name for field in form.fields] == ["price", "x__y", *names[4:32]]
    assert form.names == ["price__gt", "price__lt", *names[32:]]
    assert form.free == [("price__gt", "60"), ("", "")]


def test_paths_that_can_be_asked_are_links() -> None:
    names = [
        "/",
        "/orders",
        "/{table}",
        "/healthz",
        "//elsewhere",
        "/\\elsewhere",
        "no path",
        "/a b",
        "/posts",
    ]
    paths: dict[str, Any] = {name: {"get": {}} for name in names}

    assert form_of("/", "", {"paths": paths | {"/posts": {"post": {}}}}).paths == ["/", "/orders"]


def test_only_so_much_of_a_query_is_shown() -> None:
    assert form_of("/", "&".join(f"x{i}=1" for i in range(30)), {}).free[-2:] == [("x19", "1"), ("", "")]
    long = form_of("/", f"x={'y' * 8000}", {})
    assert (long.free, long.is_too_long) == ([("", "")], True)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ([], "/"),
        ([("page.path", "/orders"), ("limit", ""), ("sort", "-price,id")], "/orders?sort=-price%2Cid"),
        ([("page.name", "a"), ("page.value", ""), ("page.name", ""), ("page.value", "b")], "/?a="),
        ([("text", "one\r\ntwo & ä")], "/?text=one%0Atwo+%26+%C3%A4"),
        ([("page.path", "orders/a b")], "/orders/a%20b"),
        ([("page.path", "/orders%2F7?x#y")], "/orders%2F7%3Fx%23y"),
        ([("page.path", "//elsewhere.test/x")], "/elsewhere.test/x"),
        ([("page.path", "\\\\elsewhere.test")], "/%5C%5Celsewhere.test"),
        ([("page.path", "https://elsewhere.test")], "/https://elsewhere.test"),
        ([("page.path", "/\t/elsewhere.test\r\nX: y")], "/%09/elsewhere.test%0D%0AX:%20y"),
    ],
)
def test_the_form_leads_to_a_short_url_of_this_client(fields: list[tuple[str, str]], url: str) -> None:
    assert submitted_url(urlencode(fields)) == url
