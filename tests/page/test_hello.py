"""The page with the logic `hello`, in a browser; those of the others are in their folders."""

import pytest
from playwright.sync_api import Browser

from tests.conftest import Start
from tests.page.browser import assert_page_shows


@pytest.mark.full
def test_the_page_says_hello(start: Start, browser: Browser) -> None:
    backend = start("backend", OTEL_RESOURCE_ATTRIBUTES="k8s.pod.name=backend-1,k8s.node.name=node-1")
    client = start("client", URL=f"127.0.0.1:{backend.port}")

    url = f"http://127.0.0.1:{client.port}/"
    assert_page_shows(browser, url, 200, "hello world", "backend-1", "on node-1", "1 try")
