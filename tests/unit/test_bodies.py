"""What a view gets of a body, and how the others are refused."""

from io import BytesIO
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.test import TestResponse

from common.budget import BUFFERED
from common.web import json_app

LIMIT = 1_048_576
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
NOT_JSON = "body that is not JSON; allowed: JSON in UTF-8, without NaN and Infinity"
TOO_DEEP = "body that is nested too deeply; allowed: 100 levels"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setattr(BUFFERED, "held", 0)  # by answers that no server closes
    app = json_app("backend", 1, max_request_bytes=LIMIT)
    app.add_url_rule("/json", "json", lambda: {"got": request.get_json()}, methods=["POST"])
    app.add_url_rule("/raw", "raw", lambda: {"size": len(request.get_data())}, methods=["POST"])
    app.add_url_rule("/form", "form", lambda: {"fields": len(request.form)}, methods=["POST"])
    return app


def answer(response: TestResponse) -> tuple[int, Any]:
    content = response.get_json()
    return response.status_code, content.get("exc", content)


def test_a_view_gets_json(app: Flask) -> None:
    response = app.test_client().post("/json", data='{"a": ["ä", 1.5]}', content_type=JSON)

    assert answer(response) == (200, {"got": {"a": ["ä", 1.5]}})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", NOT_JSON),
        (b"{", NOT_JSON),
        (b"[NaN]", NOT_JSON),
        (b"1e999", NOT_JSON),
        (b"9" * 5000, NOT_JSON),
        (b"\xff", NOT_JSON),
        ('{"a": 1}'.encode("utf-16"), NOT_JSON),
        (b"[" * 101 + b"]" * 101, TOO_DEEP),
        (b"[" * 100_000 + b"]" * 100_000, TOO_DEEP),
        (b'{"a":' * 100_000, TOO_DEEP),
    ],
    ids=lambda each: str(each)[:20],
)
def test_a_view_gets_nothing_that_cannot_be_answered_with(app: Flask, body: bytes, why: str) -> None:
    response = app.test_client().post("/json", data=body, content_type=JSON)

    assert answer(response) == (400, why)


@pytest.mark.parametrize("kind", ["text/plain", "application/jsonp", "", "x" * 8000])
def test_another_media_type_than_json_is_a_415_that_names_both(app: Flask, kind: str) -> None:
    response = app.test_client().post("/json", data=b"{}", content_type=kind)

    assert answer(response) == (415, f"body of type {kind[:100]!r}; allowed: application/json")


@pytest.mark.parametrize("path", ["/json", "/raw", "/form"])
@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, 2 * LIMIT])
def test_a_body_in_chunks_is_taken_as_a_whole_or_not_at_all(app: Flask, path: str, size: int) -> None:
    response = app.test_client().post(
        path,
        input_stream=BytesIO(b"1" + b" " * (size - 1)),
        content_type=FORM if path == "/form" else JSON,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )

    whole = {"/json": {"got": 1}, "/raw": {"size": LIMIT}, "/form": {"fields": 1}}[path]
    too_large = (413, f"body too large; allowed: {LIMIT} bytes")
    assert answer(response) == ((200, whole) if size == LIMIT else too_large)


def test_a_form_of_too_many_parts_is_a_413_that_says_so(app: Flask) -> None:
    parts = {f"{number}": "1" for number in range(1001)}
    response = app.test_client().post("/form", data=parts, content_type="multipart/form-data")

    assert answer(response) == (413, f"body too large; allowed: {LIMIT} bytes in 1000 parts")


@pytest.mark.parametrize("path", ["/json", "/raw", "/form"])
@pytest.mark.parametrize("sent", [b"", b"12"], ids=["none", "a part"])
def test_a_part_of_a_body_is_not_taken_for_the_whole(app: Flask, path: str, sent: bytes) -> None:
    response = app.test_client().post(
        path,
        input_stream=BytesIO(sent),
        content_type=FORM if path == "/form" else JSON,
        # As gunicorn has it, which ends the stream where the caller does.
        environ_overrides={"CONTENT_LENGTH": "5", "wsgi.input_terminated": True},
    )

    assert answer(response) == (400, "body shorter than announced; allowed: as its Content-Length says")
