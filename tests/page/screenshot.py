"""Take the README's picture of the page: `make screenshot`."""

import sys

from tests.page.browser import chromium, tab
from tests.processes import running

BACKEND = "k8s.pod.name=backend-7c44d9-9wzrt,k8s.node.name=kind-worker2"
CLIENT = "k8s.pod.name=client-5d9c7f-x2kqp,k8s.node.name=kind-worker"


def main(file: str) -> None:
    """Start the pair, call it for a while, and write the file."""
    with (
        running("backend", OTEL_RESOURCE_ATTRIBUTES=BACKEND) as backend,
        running("client", URL=f"127.0.0.1:{backend.port}", OTEL_RESOURCE_ATTRIBUTES=CLIENT) as client,
        chromium() as browser,
    ):
        for number in range(60):
            client.call("/nothing" if number in (38, 51) else "/")
        with tab(browser, viewport={"width": 960, "height": 600}) as it:
            it.open(f"http://127.0.0.1:{client.port}/?name=Ada")
            it.page.screenshot(path=file, full_page=True)


if __name__ == "__main__":
    main(sys.argv[1])
