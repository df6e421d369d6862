"""The client's routes: whatever the backend answers, under the client's name."""

from flask import Flask, Response, request
from werkzeug.http import HTTP_STATUS_CODES

from client.description import answer_description
from client.forwarding import json_body, passed_headers, raw_path
from client.observed import ObservedUpstream
from client.page.serve import serve_page
from client.settings import Settings
from client.streams import Stream, call_for_events
from client.upstream import BackendAnswer
from common.contract import METHODS
from common.sse import EventResponse, wants_events
from common.trace_context import TRACE_ID
from common.version import answer_version
from common.web import contract_response, json_app


def create_app(settings: Settings) -> Flask:
    """Return the client as a Flask application."""
    upstream = ObservedUpstream(settings)
    app = json_app("client", settings.max_in_flight, upstream.check_reached, settings.max_request_bytes)
    answer_version(app, settings)
    answer_description(app, upstream)
    serve_page(app, settings, upstream)

    @app.route("/", methods=METHODS)
    @app.route("/<path:_>", methods=METHODS)
    def pass_on(_: str = "") -> Response:
        environ = request.environ  # each look at `request` is a call or two
        method, query = environ["REQUEST_METHOD"], environ["QUERY_STRING"].encode("latin-1")
        body = None if method in ("GET", "HEAD") else json_body(request, settings.max_request_bytes)
        request_parts = method, raw_path(environ), query, body, passed_headers(environ)
        if not wants_events(environ):
            return relabelled(app, upstream.call(*request_parts))
        answer = call_for_events(app, upstream, *request_parts)
        return EventResponse(answer) if isinstance(answer, Stream) else relabelled(app, answer)

    return app


def relabelled(app: Flask, theirs: BackendAnswer) -> Response:
    """Return the backend's answer under the client's name."""
    if theirs.content is None:
        response = Response(status=theirs.status, headers=theirs.headers, mimetype="application/json")
        response.automatically_set_content_length = False  # to HEAD, it would be that of GET
        return response
    ours = theirs.content | {"status_code": theirs.status, "source": "client"}
    if theirs.status >= 400:
        ours.setdefault("exc", HTTP_STATUS_CODES.get(theirs.status, "error"))
        ours["trace_id"] = request.environ[TRACE_ID]
    response = contract_response(app, ours, theirs.status)
    if theirs.headers:
        response.headers.extend(theirs.headers)
    return response
