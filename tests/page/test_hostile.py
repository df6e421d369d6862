"""Whatever callers ask and the backend answers or describes: nothing of it becomes a part of the page."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser

from client.page.form import submitted_url
from tests.conftest import RecordProperty
from tests.page.browser import tab
from tests.page.parsed import Parsed
from tests.page.rendering import html
from tests.processes import Service
from tests.scripted_backend import ScriptedBackend, as_json, sends

PIECES = [
    "<x-evil>", "</x-evil>", "<script>evil()</script>", "<img src=x onerror=evil()>", "'", '"', "`", "<",
    ">", "&", "&lt;", "&#60;", "--><x-evil>", "]]>", "</title>", "</textarea>", "</pre>", "</svg>",
    "</style>", "</script>", "</option>", "javascript:evil()", '" onfocus="evil()" autofocus="',
    "' onclick='evil()", "{{ 7 * 7 }}", "{% raw %}", "\0", "\r\n", "\ud800", "\u202e", "\u2028",
    "\ufeff", "//evil.test", "\\evil.test", "+ADw-x-evil+AD4-", "\x1b",
]  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=10), max_size=6).map("".join)
hostile_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | hostile,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hostile, inner, max_size=4),
    max_leaves=12,
)
answers = st.dictionaries(
    st.sampled_from(["message", "exc", "rows", "status_code", "trace_id", "source"]) | hostile,
    hostile_json,
    max_size=5,
)
parameters = st.fixed_dictionaries(
    {"name": hostile, "in": st.just("query") | hostile_json},
    optional={
        "description": hostile_json,
        "example": hostile_json,
        "required": hostile_json,
        "schema": st.dictionaries(
            st.sampled_from(
                ["type", "enum", "minimum", "maximum", "maxLength", "default", "examples", "$ref"]
            ),
            hostile_json | st.sampled_from(["integer", "number", "boolean", "string", 5, ["a", "b"]]),
        ),
    },
)
documents = hostile_json | st.fixed_dictionaries(
    {
        "paths": st.dictionaries(
            st.sampled_from(["/", "/{x}", "//evil.test", "/\\evil.test", "javascript:evil()"])
            | hostile.map("/{}".format),
            st.fixed_dictionaries({"get": st.fixed_dictionaries({"parameters": st.lists(parameters)})})
            | hostile_json,
        )
    }
)


def inert(page: str) -> Parsed:
    """Return a page, in which everything must be the page's own."""
    parsed = Parsed(page)
    assert parsed.strange == []
    assert len(parsed.find("script")) == len(parsed.find("style")) == 1
    assert "evil" not in parsed.texts["script"][0] + parsed.texts["style"][0]
    return parsed


def check(answer: Any, document: Any, status: int, query: str, path: str) -> None:
    parsed = inert(html(answer, status, quote(path, errors="replace"), query, document))
    assert parsed.texts["h1"][0].startswith(str(status))


CASES = (
    answers,
    documents,
    st.sampled_from([200, 400, 404, 500, 502, 503]),
    hostile,
    hostile.map("/{}".format),
)


@settings(max_examples=50)
@given(*CASES)
def test_nothing_hostile_becomes_an_element_or_a_script(
    answer: Any, document: Any, status: int, query: str, path: str
) -> None:
    check(answer, document, status, query, path)


@pytest.mark.full
@pytest.mark.timeout(900)
@settings(max_examples=1000)
@given(*CASES)
def test_nothing_hostile_becomes_an_element_or_a_script_a_thousand_times(
    answer: Any, document: Any, status: int, query: str, path: str
) -> None:
    check(answer, document, status, query, path)


@given(st.lists(st.tuples(st.sampled_from(["page.path", "page.name", "page.value"]) | hostile, hostile)))
def test_the_form_leads_to_no_other_host(fields: list[tuple[str, str]]) -> None:
    url = submitted_url(urlencode(fields, errors="replace"))

    assert url.isascii()
    assert url.isprintable()
    assert url.startswith("/")
    assert not url.startswith(("//", "/\\"))
    assert "page.path=" not in url or not any(name == "page.path" for name, _ in fields)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_thousand_hostile_queries_and_answers_break_no_policy_in_a_browser(
    client: Service, described: ScriptedBackend, browser: Browser, record_property: RecordProperty
) -> None:
    with tab(browser) as it:

        @settings(max_examples=1000)
        @given(answers, hostile)
        def check(answer: dict[str, Any], query: str) -> None:
            target = described.will(sends(as_json(200, answer)))
            it.open(
                f"http://127.0.0.1:{client.port}{target}&{quote(query, safe='<>&=;()', errors='replace')}"
            )
            assert it.find("x-evil, main script, main style, img").count() == 0
            assert it.find("h1").inner_text() == "200 OK"
            assert it.complaints == []

        check()
    record_property("sent", 1000)
