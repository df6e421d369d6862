"""The client's page with this logic, in a browser; deleted with the page."""

import pytest
from playwright.sync_api import Browser

from tests.conftest import Start
from tests.page.browser import assert_page_shows, chromium, tab

pytestmark = pytest.mark.full


def test_the_page_leads_from_the_tables_to_rows_and_has_fields_for_what_is_declared(start: Start) -> None:
    backend = start("backend", LOGIC="database")
    client = start("client", URL=f"127.0.0.1:{backend.port}")
    url = f"http://127.0.0.1:{client.port}/"

    with chromium() as browser:
        choose_and_ask(browser, url)
        assert_page_shows(browser, f"{url}time_zones?limit=2&sort=name", 200, "Africa/Abidjan", "as_of")
        assert_page_shows(browser, f"{url}time_zones?limit=x", 400, "your query", "limit")
        assert_page_shows(browser, f"{url}nothing", 404, "There is nothing at this path.")


def choose_and_ask(browser: Browser, url: str) -> None:
    with tab(browser, javascript=False) as it:
        assert it.open(url) == 200
        it.page.get_by_role("link", name="/time_zones").click()
        it.page.wait_for_url(f"{url}time_zones")
        it.page.get_by_label("limit", exact=True).fill("5")
        it.page.get_by_label("Name 1").fill("country")
        it.page.get_by_label("Value 1").fill("Italy")
        it.press("Ask")
        it.page.wait_for_url(f"{url}time_zones?limit=5&country=Italy")
        assert "Europe/Rome" in it.text("#answer tbody")
