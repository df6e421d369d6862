"""The page without a process around it."""

import json
from typing import Any

from client.app import create_app
from client.page.latest import Latest
from client.page.render import Page
from client.settings import Settings
from client.upstream import Upstream
from common.contract import CALL, POD
from common.trace_context import TRACE_ID

TRACE = "0af7651916cd43dd8448eb211c80319c"


class DescribedPage(Page):
    """A page of a backend with a description."""

    document: Any = None

    def description(self, _environ: dict[str, Any]) -> Any:
        return self.document


def new_page() -> DescribedPage:
    settings = Settings(otel_resource_attributes="k8s.pod.name=client-1,k8s.node.name=node-1")
    return DescribedPage(create_app(settings), settings, Upstream(settings), Latest())


PAGE = new_page()


def environ(path: str = "/", query: str = "", status: int = 200, pod: str = "backend-1") -> dict[str, Any]:
    """Return the environ of a request that was answered."""
    return {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": query,
        "RAW_URI": f"{path}?{query}" if query else path,
        "HTTP_HOST": "localhost:8082",
        "wsgi.url_scheme": "http",
        TRACE_ID: TRACE,
        CALL: ("ok" if status < 500 else "error", 0.003, 1),
        POD: pod,
    }


def html(  # noqa: PLR0917
    answer: Any, status: int = 200, path: str = "/", query: str = "", document: Any = None, pod: str = "pod-1"
) -> str:
    """Return the page for an answer, a value or bytes."""
    PAGE.document = document
    PAGE.latest.answers.append((0.0, 0.004, str(status), pod))
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return PAGE.html(environ(path, query, status, pod), f"{status} Whatever", "", body, 0.004).decode()
