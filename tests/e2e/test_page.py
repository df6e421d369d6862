"""The client's page as deployed, in a browser; deleted with the page."""

import pytest

from tests.e2e.cluster import SERVICES, Cluster, port_forward
from tests.page.browser import chromium, tab


@pytest.mark.parametrize("javascript", [False, True], ids=["without JavaScript", "with JavaScript"])
def test_a_browser_sees_which_pods_on_which_nodes_answered(cluster: Cluster, *, javascript: bool) -> None:
    nodes = {pod.metadata.name: pod.spec.node_name for app in SERVICES for pod in cluster.pods(app)}

    with (
        port_forward("service/client", 8082) as url,
        chromium() as browser,
        tab(browser, javascript=javascript) as it,
    ):
        assert it.open(url) == 200
        assert it.text("#answer .message") == "hello world"
        for service, shown in zip(SERVICES, reversed(it.find("#who dl:first-of-type dd").all()), strict=True):
            pod, on, node = shown.inner_text().split()
            assert pod.startswith(f"{service}-")
            assert (on, node) == ("on", nodes[pod])
        assert it.find("#live").is_visible() == javascript
