"""A request as bytes, and what may not be in it."""

from urllib.parse import SplitResult

import requests


def serialize(request: requests.PreparedRequest, parts: SplitResult) -> bytes:
    """Return the bytes of a request (RFC 9112 section 3).

    Raises:
        requests.RequestException: something in it would end a line, or its body is not bytes or str.
    """
    target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    start = f"{request.method!s} {target} HTTP/1.1"
    host = {} if "Host" in request.headers else {"Host": parts.netloc.rpartition("@")[2]}
    headers = {**host, **request.headers}
    lines = [
        f"{name}: {value if isinstance(value, str) else value.decode('latin-1')}\r\n"
        for name, value in headers.items()
    ]
    head = "".join(lines)
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    if not isinstance(body, bytes):
        raise requests.RequestException("a body must be bytes or str")
    if not (start.isascii() and start.isprintable()) or start.count(" ") != 2:
        raise requests.exceptions.InvalidURL(f"a character that is not allowed in {start[:100]!r}")
    if head.count("\r") != len(headers) or head.count("\n") != len(headers):
        raise requests.exceptions.InvalidHeader("a line break in a header")
    return f"{start}\r\n{head}\r\n".encode("latin-1") + body
