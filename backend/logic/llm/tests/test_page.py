"""The client's page with this logic, in a browser; deleted with the page."""

import pytest
from playwright.sync_api import Browser

from backend.logic.llm.tests.scripted_endpoint import Endpoint, completion
from tests.conftest import Start
from tests.page.browser import assert_page_shows, chromium, tab
from tests.processes import Service
from tests.scripted_backend import answer

pytestmark = pytest.mark.full


def test_the_page_shows_the_models_text_and_has_a_field_for_the_prompt(
    start: Start, backend: Service, endpoint: Endpoint
) -> None:
    client = start("client", URL=f"127.0.0.1:{backend.port}")
    url = f"http://127.0.0.1:{client.port}/"
    endpoint.will_send(completion("It is <blue>.\n\nReally."))

    with chromium() as browser:
        fill_in_and_ask(browser, url, endpoint)
        assert_page_shows(browser, f"{url}?prompt=2", 200, "It is <blue>.", "m-2026", "total_tokens")


def fill_in_and_ask(browser: Browser, url: str, endpoint: Endpoint) -> None:
    with tab(browser, javascript=False) as it:
        assert it.open(url) == 400
        it.page.get_by_label("prompt", exact=False).fill("Why is the sky\nblue? & so on")
        it.press("Ask")
        it.page.wait_for_url(f"{url}?prompt=*")
        assert it.text("#answer .message") == "It is <blue>.\n\nReally."
        assert endpoint.received[-1]["messages"][-1]["content"] == "Why is the sky\nblue? & so on"


def test_an_endpoint_that_fails_is_the_backends_fault(
    start: Start, backend: Service, endpoint: Endpoint
) -> None:
    client = start("client", URL=f"127.0.0.1:{backend.port}")
    endpoint.will_send(answer(500, b"oops"))

    url = f"http://127.0.0.1:{client.port}/?prompt=2"
    with chromium() as browser:
        assert_page_shows(browser, url, 502, "the backend", "Trace id, to report")
