"""What of the headers of the backend's answer is passed on to the caller."""

import re
from urllib.parse import SplitResult, urljoin, urlsplit

from werkzeug.exceptions import HTTPException

from client.answer import Answer
from client.forwarding import checked_path, encoded
from common.urls import port_of

PASSED = {
    "Retry-After": re.compile(r"[A-Za-z0-9:, -]{1,40}"),  # seconds or a date: RFC 9110 section 10.2.3
    "ETag": re.compile(r'(W/)?"[!#-~]{0,200}"'),  # RFC 9110 section 8.8.3
    "Allow": re.compile(r"[A-Z]{3,20}(, ?[A-Z]{3,20}){,20}"),  # RFC 9110 section 10.2.1
}
NAMES = {b"retry-after", b"etag", b"allow", b"location"}  # of all that are passed on


def passed_headers(answer: Answer, url: str, base: SplitResult) -> dict[str, str]:
    """Return those of an answer's headers that are passed on.

    One that is not what it should be is left out: without it the answer is still true, while a 502 would
    invite its caller to do once more what has been done.

    Args:
        answer: the backend's.
        url: the request's.
        base: the backend's URL.
    """
    if NAMES.isdisjoint(answer.headers):
        return {}
    headers = {}
    for name, allowed in PASSED.items():
        value = answer.header(name.lower().encode())
        if allowed.fullmatch(value):
            headers[name] = value
    if path := own_path(answer.header(b"location"), url, base):
        headers["Location"] = path
    return headers


def own_path(location: str, url: str, base: SplitResult) -> str | None:
    """Return the client's path for a place on the backend, below its base path; None for any other place.

    Args:
        location: an absolute or relative URL.
        url: what it is relative to.
        base: the backend's URL.
    """
    if not re.fullmatch(r"[!-~]{1,8192}", location):
        return None
    try:
        parts = urlsplit(urljoin(url, location))
        path = parts.path.removeprefix(f"{base.path}/") if origin(parts) == origin(base) else parts.path
        if path == parts.path:
            return None
        path = checked_path(f"/{path}")
        return f"{path}?{encoded(parts.query.encode())}" if parts.query else path
    except (ValueError, HTTPException):
        return None


def origin(url: SplitResult) -> tuple[str, str | None, int]:
    """Return the scheme, host and port (RFC 6454)."""
    return url.scheme, url.hostname, port_of(url)
