"""The answers to requests that never reach the application, as JSON like all others."""

import json
from http import HTTPStatus

from gunicorn.http import errors
from gunicorn.util import http_date

from common.contract import INTERNAL_ERROR, error_fields
from common.serving.request_limits import MAX_HEAD_BYTES, MAX_REQUEST_LINE_BYTES, TooManyBytes, TwoSlashes
from common.text import shortened

# The longest piece of a request that an answer or the log repeats (characters).
MAX_ECHO = 200

# What gunicorn or the connection refuses: the status, and what is wrong and what is allowed.
REFUSALS: dict[type[BaseException], tuple[int, str]] = {
    errors.InvalidRequestLine: (400, "malformed request line {}; allowed: METHOD /path?query HTTP/1.1"),
    errors.InvalidRequestMethod: (400, "malformed method {}; allowed: 3 to 20 capital letters"),
    errors.InvalidHTTPVersion: (400, "unknown version {}; allowed: HTTP/1.0 and HTTP/1.1"),
    errors.InvalidHeader: (400, "malformed or repeated header {}; allowed: name: value"),
    errors.InvalidHeaderName: (400, "malformed header name {}; allowed: letters, digits and !#$%&'*+-.^_`|~"),
    errors.ObsoleteFolding: (400, "header {} has several lines; allowed: one"),
    errors.LimitRequestLine: (414, f"request line too long; allowed: {MAX_REQUEST_LINE_BYTES} bytes"),
    errors.ExpectationFailed: (417, "unknown expectation {}; allowed: 100-continue"),
    errors.LimitRequestHeaders: (
        431,
        f"headers too large; allowed: 100 of 8190 bytes each, {MAX_HEAD_BYTES} bytes together",
    ),
    errors.UnsupportedTransferCoding: (501, "unknown transfer coding {}; allowed: chunked"),
    TwoSlashes: (400, "path {} begins with two slashes; allowed: one"),
    TooManyBytes: (503, "this process holds too many unfinished requests; this was the largest"),
}


def explain(error: BaseException) -> tuple[int, str]:
    """Return the status for what kept a request from the application, and why in words."""
    status, why = REFUSALS.get(type(error), (500, INTERNAL_ERROR))
    return status, why.format(echo(error.args[0])) if error.args else why


def without_echo(error: BaseException) -> str:
    """Return why a request was refused, without the piece of it that the caller is told, for the log."""
    return REFUSALS[type(error)][1].replace(" {}", "")


def echo(text: object) -> str:
    """Return a piece of a request as it may be shown, without control characters and not too long."""
    return shortened(repr(text), MAX_ECHO)


def answer(status: int, why: str, source: str, trace_id: str) -> bytes:
    """Return an error in JSON, after which the connection is closed."""
    body = json.dumps(error_fields(status, why, source, trace_id), separators=(",", ":")).encode() + b"\n"
    lines = {
        "Date": http_date(),
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    if status == 503:
        lines["Retry-After"] = "1"
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode() + body
