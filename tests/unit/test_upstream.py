"""How the client encodes a query, and parses the backend's JSON."""

import json
import re
from contextlib import suppress
from time import thread_time
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import RequestURITooLarge

from client import forwarding
from client.errors import BadAnswer
from client.forwarding import checked_path, encoded
from client.upstream import json_object
from common.contract import MAX_QUERY_BYTES

NOT_JSON = "backend's answer is not JSON"


@given(st.binary(max_size=300) | st.text("%aAfF09&=;+#? \n\\[]").map(str.encode))
def test_an_encoded_query_means_the_same_bytes_in_legal_characters(query: bytes) -> None:
    text = encoded(query)

    assert unquote_to_bytes(text) == unquote_to_bytes(query)
    assert re.fullmatch(r"([A-Za-z0-9/?:@!$&'()*+,;=~._-]|%[0-9A-Fa-f]{2})*", text)


@given(st.binary(max_size=300))
def test_encoding_twice_is_encoding_once(query: bytes) -> None:
    assert encoded(encoded(query).encode()) == encoded(query)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (b"", ""),
        (b"a=1&b=%2F%2f", "a=1&b=%2F%2f"),
        (b"%", "%25"),
        (b"%%41%4", "%25%41%254"),
        ("ü".encode(), "%C3%BC"),
        (b"\xff\r\n #", "%FF%0D%0A%20%23"),
    ],
)
def test_a_query_is_encoded_where_it_must_be(query: bytes, text: str) -> None:
    assert encoded(query) == text


@pytest.mark.parametrize("too_long", [b'"' * 119_000, b"%" * 119_000])
def test_a_query_that_is_too_long_costs_less_than_one_that_is_not(too_long: bytes) -> None:
    def cost(query: bytes) -> float:
        """Return the CPU seconds of the quickest of some calls."""
        seconds = []
        for _ in range(5):
            began = thread_time()
            with suppress(RequestURITooLarge):
                encoded(query)
            seconds.append(thread_time() - began)
        return min(seconds)

    assert cost(too_long) < cost(b'"' * (MAX_QUERY_BYTES // 3))


def test_a_path_that_is_too_long_is_not_encoded_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "quote", None)

    with pytest.raises(RequestURITooLarge, match="path of 8193 bytes; allowed: 8192"):
        checked_path("/".ljust(8193, '"'))


def test_a_query_is_too_long_once_it_is_encoded() -> None:
    assert len(encoded(b'"' * 20_000)) == MAX_QUERY_BYTES
    with pytest.raises(RequestURITooLarge):
        encoded(b'"' * 20_001)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="open"),
        pytest.param(b"{} {}", id="two"),
        pytest.param(b"{'a': 1}", id="Python"),
        pytest.param(b'{"a": 1,}', id="comma"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": [-Infinity]}', id="-Infinity"),
        pytest.param(b'{"a": 1e999}', id="1e999"),
        pytest.param(b'{"a": -1E400}', id="-1E400"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="5000 digits"),
        pytest.param(b'{"a": "\n"}', id="control character"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="deep list"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="deep object"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="surrogate"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-32-le"), id="UTF-32"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="byte order mark"),
    ],
)
def test_invalid_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadAnswer) as caught:
        json_object(body)
    assert caught.value.description == NOT_JSON


@pytest.mark.parametrize("body", [b"[]", b'"a"', b"1", b"1.5", b"null", b"true", b'[{"a": 1}]'])
def test_json_that_is_not_an_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadAnswer) as caught:
        json_object(body)
    assert caught.value.description == "backend's answer is not a JSON object"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=3))
def test_a_json_object_is_read_unchanged(content: dict[str, Any]) -> None:
    assert json_object(json.dumps(content).encode()) == content


@given(st.binary() | st.text('{}[]":,0eE-.aN\\u').map(str.encode))
def test_any_bytes_are_an_object_or_a_bad_answer(body: bytes) -> None:
    try:
        content = json_object(body)
    except BadAnswer as error:
        assert error.code == 502  # noqa: PT017  most bytes raise, which is not what is tested
    else:
        assert json.loads(json.dumps(content, allow_nan=False)) == content
