"""Debian's Chromium, and what must be true of the page in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, sync_playwright

# The narrowest phone (CSS pixels).
PHONE = {"width": 320, "height": 640}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser; skip the test where there is none, except in CI."""
    found = shutil.which("chromium")
    if found is None:
        missing = "no chromium on this machine: install it (Debian: chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        # In a container there are no user namespaces for its sandbox; it opens only pages of these tests.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A page in a browser, and whatever it complained about.

    Args:
        page: of the browser.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complain(message.text))
        page.on("pageerror", lambda error: self.complain(str(error)))
        page.on("request", lambda request: self.complain(request.url) if is_elsewhere(request) else None)

    def complain(self, text: str) -> None:
        if not text.startswith("Failed to load resource: the server responded with a status of"):
            self.complaints.append(text)

    def open(self, url: str) -> int:
        """Open a page and return its status."""
        response = self.page.goto(url)
        assert response
        return response.status

    def find(self, selector: str) -> Locator:
        return self.page.locator(selector)

    def text(self, selector: str) -> str:
        return self.find(selector).inner_text()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def violations(self) -> list[Any]:
        """Return what axe finds."""
        return [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in Axe().run(self.page).response["violations"]
        ]


def is_elsewhere(request: Any) -> bool:
    """Return whether a request is for anything but a test's own client, whose address is a number."""
    return not request.url.startswith(("http://127.0.0.1:", "data:"))


@contextmanager
def tab(browser: Browser, *, javascript: bool = True, **options: Any) -> Iterator[Tab]:
    """Open a tab; no page in it may break its policy, fail, or load anything from elsewhere."""
    context = browser.new_context(java_script_enabled=javascript, **options)
    opened = Tab(context.new_page())
    yield opened
    context.close()
    assert opened.complaints == []


def assert_fits_everyone(browser: Browser, url: str) -> None:
    """Check a page for a phone, a screen reader, in the light and in the dark."""
    for scheme in ("light", "dark"):
        with tab(browser, viewport=PHONE, color_scheme=scheme) as it:
            it.open(url)
            assert it.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
            assert it.violations() == []


def assert_page_shows(browser: Browser, url: str, status: int, *texts: str) -> None:
    """Check that a page has a status and texts, with and without JavaScript, and fits everyone."""
    for javascript in (False, True):
        with tab(browser, javascript=javascript) as it:
            assert it.open(url) == status
            shown = it.text("main")
            assert [text for text in texts if text not in shown] == [], shown
    assert_fits_everyone(browser, url)
