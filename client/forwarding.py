"""What of a caller's request is passed on to the backend: path, query, headers and body."""

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from flask import Request
from werkzeug.exceptions import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    RequestURITooLarge,
    UnsupportedMediaType,
)

from common import strict_json
from common.bodies import json_refusal
from common.contract import MAX_QUERY_BYTES, RESERVED_PATHS
from common.limits import hold

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_PATH_BYTES = 8192
# Decoded once more, a path could become one that must not be passed on; who decodes twice is not known here.
MAX_ENCODINGS = 3
# What a caller may tell the backend, and where WSGI has it.
HEADERS = {
    name: "HTTP_" + name.upper().replace("-", "_")
    for name in (
        *("traceparent", "tracestate", "X-Request-ID", "Idempotency-Key", "Authorization"),
        *("Accept-Language", "If-None-Match", "If-Match"),
    )
}


def raw_path(environ: "WSGIEnvironment") -> str:
    """Return the path of a request as it was sent, also that of `GET http://host/path`."""
    target: str = environ["RAW_URI"]
    if target.startswith("/"):
        return target.partition("?")[0].partition("#")[0]
    return urlsplit(target).path or "/"


def passed_headers(environ: "WSGIEnvironment") -> dict[str, str]:
    """Return those of a request's headers that are passed on."""
    return {name: environ[key] for name, key in HEADERS.items() if key in environ}


def checked_path(path: str) -> str:
    """Return a path with every character that a URL may not have percent-encoded.

    Flask decodes a path before it looks for a route. So what a path may not be, it may not be once decoded
    either; an encoded slash is a slash there, and allowed.

    Raises:
        RequestURITooLarge: it is longer than MAX_PATH_BYTES.
        BadRequest: it is malformed, or could be taken for another path or server.
        NotFound, MethodNotAllowed: each service answers it itself.
    """
    if path == "/":
        return path
    # What is too long as it came is not encoded first: that can cost several times what is allowed to cost.
    checked = path if len(path) > MAX_PATH_BYTES else quote(path, safe="%/:@!$&'()*+,;=~-._")
    if len(checked) > MAX_PATH_BYTES:
        raise RequestURITooLarge(f"path of {len(checked)} bytes; allowed: {MAX_PATH_BYTES}")
    try:
        decoded = unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("path that is not UTF-8 once decoded; allowed: UTF-8") from None
    if "%" in path and re.search("%(?![0-9A-Fa-f]{2})", path):
        raise BadRequest("path with a % that encodes nothing; allowed: %25")
    if decoded in RESERVED_PATHS:  # a GET of it has a route
        raise MethodNotAllowed(["GET", "HEAD"])
    for _ in range(MAX_ENCODINGS):
        refuse(decoded)
        before, decoded = decoded, unquote(decoded)
        if decoded == before:
            return checked
    raise BadRequest(f"path that is encoded several times; allowed: {MAX_ENCODINGS - 1}")


def refuse(path: str) -> None:
    """Raise what checked_path() does unless a decoded path may be passed on."""
    if not path.startswith("/") or path.startswith("//"):
        raise BadRequest("path that does not begin with one slash; allowed: /path")
    if re.search(r"[\x00-\x1f\x7f\\]", path):
        raise BadRequest("path with a backslash or a control character; allowed: any other")
    segments = [segment.partition(";")[0] for segment in path.split("/")]  # `..;` is `..` to some servers
    if "." in segments or ".." in segments:
        raise BadRequest("path with a segment . or ..; allowed: any other")
    if (reserved := "/" + "/".join(filter(None, segments))) in RESERVED_PATHS:
        raise NotFound(f"{reserved} is each service's own and not passed on; allowed: GET {reserved}")


def encoded(query: bytes) -> str:
    """Return the query with every character that a URL may not have percent-encoded.

    Raises:
        RequestURITooLarge: it is longer than the backend accepts.
    """
    if len(query) > MAX_QUERY_BYTES:  # not encoded first, see checked_path()
        raise RequestURITooLarge(f"query of {len(query)} bytes; allowed: {MAX_QUERY_BYTES}")
    text = quote(re.sub(rb"%(?![0-9A-Fa-f]{2})", b"%25", query), safe="%/?:@!$&'()*+,;=~-._")
    if len(text) > MAX_QUERY_BYTES:
        raise RequestURITooLarge(f"query of {len(text)} bytes once encoded; allowed: {MAX_QUERY_BYTES}")
    return text


def json_body(request: Request, limit: int) -> bytes | None:
    """Return the JSON that a request has as its body, as it was sent; None if it has no body.

    The server counts the bytes in the process's budget as they arrive. They are counted once more as what is
    sent to the backend, until the caller has his answer.

    Raises:
        HTTPException: it is larger than `limit` bytes, no JSON, or more than the process may hold.
    """
    size, environ = request.content_length, request.environ
    if not size and "HTTP_TRANSFER_ENCODING" not in environ:
        return None
    if (size or 0) > limit:
        raise RequestEntityTooLarge
    coding = environ.get("HTTP_CONTENT_ENCODING", "identity")
    if request.mimetype != "application/json" or coding.lower() != "identity":
        kind = f"{request.mimetype} {environ.get('HTTP_CONTENT_ENCODING', '')}".strip()
        raise UnsupportedMediaType(f"body of type {kind[:100]!r}; allowed: application/json, not encoded")
    body: bytes = environ["wsgi.input"].read(limit + 1)
    if len(body) > limit:
        raise RequestEntityTooLarge
    if size and len(body) < size:
        raise BadRequest(f"body of {len(body)} bytes; allowed: {size}, as its Content-Length says")
    hold(environ, len(body), "too many large bodies at once")
    if body:
        try:
            strict_json.loads_shallow(body)
        except ValueError as error:
            raise BadRequest(json_refusal(error)) from None
    return body
