"""The page itself."""

import shlex
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
from flask import Flask
from jinja2 import FileSystemLoader
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from client.description import backend_description
from client.forwarding import raw_path
from client.page.content import content_of
from client.page.form import MAX_QUERY, form_of
from client.page.latest import Latest, in_words
from client.page.problem import problem_of
from client.settings import Settings
from client.upstream import Upstream
from common.contract import CALL, POD
from common.resource import pod_name, resource_attributes
from common.trace_context import TRACE_ID

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# The longest wait for the backend's description (seconds); a page without has the form for any names.
DESCRIBED_WITHIN = 1.0
# A call after which the backend is asked for its description.
ANSWERED = ("ok", "error")


class Page:
    """The page of a client.

    Args:
        app: the client.
        settings: its settings.
        upstream: the backend.
        latest: the latest answers.
    """

    def __init__(self, app: Flask, settings: Settings, upstream: Upstream, latest: Latest) -> None:
        self.app, self.upstream, self.latest = app, upstream, latest
        attributes = resource_attributes(settings.otel_resource_attributes)
        self.pod, self.node = pod_name(attributes), attributes.get("k8s.node.name", "")
        self.templates = app.jinja_env.overlay(
            loader=FileSystemLoader(Path(__file__).parent), trim_blocks=True, lstrip_blocks=True
        )
        self.headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", self.policy()),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ]

    def policy(self) -> str:
        """Return the Content-Security-Policy: our style and script only, which call this client only."""
        style, script = (
            b64encode(sha256(self.templates.get_template(name).render().encode()).digest()).decode()
            for name in ("page.css", "page.js")
        )
        return (
            f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
            "img-src data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    def html(
        self, environ: "WSGIEnvironment", status: str, retry_after: str, body: bytes, whole: float
    ) -> bytes:
        """Return the page for an answer.

        Args:
            environ: the request's.
            status: the answer's status line.
            retry_after: its Retry-After, "" without one.
            body: its JSON.
            whole: how long it took, in seconds.
        """
        code, query, path = int(status[:3]), environ["QUERY_STRING"], raw_path(environ)
        outcome, call, tries = environ.get(CALL, ("", 0.0, 0))
        pod, _, node = environ.get(POD, "").partition(" ")
        page = self.templates.get_template("page.html").render(
            status=f"{code} {HTTP_STATUS_CODES.get(code, '')}".strip(),
            is_error=code >= 400,
            content=content_of(body, code),
            problem=problem_of(environ, code, retry_after) if code >= 400 else None,
            trace_id=environ.get(TRACE_ID, ""),
            form=form_of(path, query, self.description(environ) if outcome in ANSWERED else {}),
            client=(self.pod, self.node),
            backend=(pod, node),
            times=(in_words(1000 * whole), in_words(1000 * call), tries),
            share=round(100 * min(1, call / whole)) if whole else 0,
            chart=self.latest.chart(),
            pods=self.latest.pods(),
            curl=curl(environ) if len(path) + len(query) <= MAX_QUERY else "",
        )
        return page.encode(errors="replace")  # JSON may have halves of characters

    def description(self, environ: "WSGIEnvironment") -> dict[str, Any]:
        """Return the backend's OpenAPI document, {} where there is none at once."""
        # What is noted of this call is not what the log says of the request.
        with self.app.request_context(dict(environ)), gevent.Timeout(DESCRIBED_WITHIN, exception=False):
            try:
                return backend_description(self.upstream)
            except HTTPException:
                return {}
        return {}


def curl(environ: "WSGIEnvironment") -> str:
    """Return the command that asks for the same answer as JSON."""
    scheme = "https" if environ.get("HTTP_X_FORWARDED_PROTO") == "https" else environ["wsgi.url_scheme"]
    query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
    url = f"{scheme}://{environ.get('HTTP_HOST', 'localhost')}{raw_path(environ)}{query}"
    # curl reads these as lists of URLs.
    return f"curl {'--globoff ' if any(each in url for each in '[]{}') else ''}{shlex.quote(url)}"
