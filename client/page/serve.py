"""Who gets the page, and what is noted of each answer for it."""

from collections.abc import Iterable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from flask import Flask
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from client.page.form import is_submitted, submitted_url
from client.page.latest import Latest
from client.page.render import Page
from client.settings import Settings
from client.upstream import Upstream
from common.budget import BUFFERED
from common.contract import POD, RESERVED_PATHS
from common.limits import Closing
from common.openapi import Document
from common.sse import wants_events

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

JSON, HTML = TYPES = ["application/json", "text/html"]
VARY = "Vary", "Accept"
# What the page has of the headers of the answer that it shows.
KEPT = ("Retry-After", "Vary")
WITHOUT_CONTENT = ("204", "304")
Headers = list[tuple[str, str]]


def serve_page(app: Flask, settings: Settings, upstream: Upstream) -> None:
    """Answer a browser's GET with a page that shows the JSON answer, unless PAGE is false."""
    if not settings.page:
        return
    describe_page(app)
    json_app, latest = app.wsgi_app, Latest()
    page = Page(app, settings, upstream, latest)
    note = latest.answers.append

    def wsgi_app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] in RESERVED_PATHS:
            return json_app(environ, start_response)
        begin: Any = start_response
        began = monotonic()

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:  # noqa: ANN401  see PEP 3333
            now = monotonic()  # answers to programs pay for this, too: it stays short
            note((now, now - began, status, environ.get(POD, "")))
            headers.append(VARY)
            return begin(status, headers, exc_info)

        if not wants_page(environ):
            return json_app(environ, start)
        if is_submitted(environ["QUERY_STRING"]):
            location = submitted_url(environ["QUERY_STRING"])
            start_response("303 See Other", [("Location", location), ("Content-Length", "0"), VARY])
            return []
        begun: list[tuple[str, Headers, float]] = []
        begin = lambda status, headers, _: begun.append((status, headers, monotonic() - began))  # noqa: E731
        answer = json_app(environ, start)
        return with_page(page, environ, answer, *begun[-1], start_response)

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]


def describe_page(app: Flask) -> None:
    """Add to /openapi.json that a GET may be answered with the page."""
    described = app.view_functions["openapi"]

    @app.endpoint("openapi")
    def with_html() -> Document:
        document = cast("Document", described())
        document["info"]["description"] += " Whoever prefers `text/html` gets a page, also of an error."
        for path, item in document["paths"].items():
            responses = item.get("get", {}).get("responses", {}) if path not in RESERVED_PATHS else {}
            for content in (response.get("content") for response in responses.values()):
                if isinstance(content, dict) and JSON in content:
                    content[HTML] = {"schema": {"type": "string"}}
        return document


def wants_page(environ: "WSGIEnvironment") -> bool:
    """Return whether a request is a GET whose Accept prefers HTML to JSON; `*/*` does not."""
    accept = environ.get("HTTP_ACCEPT", "")
    if "text/" not in accept.lower() or environ["REQUEST_METHOD"] != "GET" or wants_events(environ):
        return False
    return parse_accept_header(accept, MIMEAccept).best_match(TYPES) == HTML


def with_page(  # noqa: PLR0913, PLR0917
    page: Page,
    environ: "WSGIEnvironment",
    answer: Iterable[bytes],
    status: str,
    headers: Headers,
    seconds: float,
    start_response: "StartResponse",
) -> Iterable[bytes]:
    """Return the page for an answer, which it closes in the end; the answer itself where there can be none.

    Args:
        page: makes it.
        environ: the request's.
        answer: the body of the answer.
        status: its status line.
        headers: its headers.
        seconds: how long it took.
        start_response: the server's.
    """
    close = getattr(answer, "close", lambda: None)
    if status[:3] in WITHOUT_CONTENT or ("Content-Type", JSON) not in headers:
        start_response(status, headers)
        return answer
    try:
        body = b"".join(answer)
        html = page.html(environ, status, dict(headers).get("Retry-After", ""), body, seconds)
    except BaseException:
        close()
        raise
    held = len(html) if BUFFERED.take(len(html)) else 0
    if held:
        kept = [each for each in headers if each[0] in KEPT]
        body, headers = html, [("Content-Length", str(held)), *kept, *page.headers]
    start_response(status, headers)
    return Closing(Closing([body], close), partial(BUFFERED.release, held))
