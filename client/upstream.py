"""Calls to the backend, all of them: how they are made, how long they may take, and what may go wrong.

HTTPException               what the client answers with
├── UpstreamError
│   ├── Unreachable         502  no connection within MAX_CONNECT_SECONDS, retries included
│   ├── BrokenOff           502  the connection was lost before the answer was whole
│   ├── BadAnswer           502  not HTTP, no JSON object, too large or a redirect
│   └── TooSlow             504  no answer within ANSWER_TIMEOUT
└── ServiceUnavailable      503  the answer does not fit MAX_BUFFERED_BYTES beside the others
"""

import json
import math
import re
from dataclasses import dataclass
from time import monotonic
from typing import Any, NoReturn
from urllib.parse import quote

import gevent
import requests
from werkzeug.exceptions import HTTPException, RequestURITooLarge, ServiceUnavailable

from client.errors import BudgetExceeded, Disconnected, NotConnected
from client.settings import Settings
from client.transport import PooledAdapter
from common.contract import MAX_CONNECT_SECONDS, MAX_QUERY_BYTES

# For the first attempt to connect; each next one may take twice as long (seconds). A lost packet costs
# little, since another attempt may well reach another Pod, and a busy machine still gets its time.
CONNECT_TIMEOUT = 0.5
# Pauses between attempts: short, since another Pod may well answer at once, and doubling (seconds).
MIN_PAUSE, MAX_PAUSE = 0.02, 0.5
# A backend that breaks off every answer is broken itself; a Pod that died does so once.
MAX_BROKEN_OFF = 3
# The same for every call: of a caller the backend sees nothing but the query.
HEADERS: Any = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "client"}


class UpstreamError(HTTPException):
    """The backend did not answer as it should."""

    code = 502


class Unreachable(UpstreamError):
    """No connection within MAX_CONNECT_SECONDS."""

    description = "backend unreachable"


class BrokenOff(UpstreamError):
    """The connection was lost before the answer was whole."""

    description = "backend broke off its answer"


class BadAnswer(UpstreamError):
    """The answer is not HTTP, not a JSON object, too large or a redirect."""


class TooSlow(UpstreamError):
    """No whole answer within ANSWER_TIMEOUT."""

    code = 504


@dataclass(frozen=True)
class BackendAnswer:
    """The backend's HTTP status, JSON object and Retry-After header, if any."""

    status: int
    content: dict[str, Any]
    retry_after: str | None


class Upstream:
    """The backend behind a pool of connections."""

    def __init__(self, settings: Settings) -> None:
        self.answer_timeout = settings.answer_timeout
        self.too_slow = f"backend did not answer within {settings.answer_timeout:g} s"
        self.max_answer_bytes = settings.max_answer_bytes
        self.adapter = PooledAdapter(settings.url_ca_file or None)
        self.url = f"{settings.url}/"

    def get(self, query: bytes) -> BackendAnswer:
        """Call the backend's `/`.

        Retries a failed connection until MAX_CONNECT_SECONDS, and an answer that was broken off a few
        times: both are safe, since GET changes nothing. A call whose answer is late is not retried.

        Args:
            query: the caller's query string, as it was sent.

        Raises:
            UpstreamError, ServiceUnavailable: see the top of this module.
            RequestURITooLarge: the query is longer than the backend accepts.
        """
        # prepare() would parse and quote what encoded() has just made.
        request = requests.PreparedRequest()
        request.method, request.headers = "GET", HEADERS
        request.url = f"{self.url}?{encoded(query)}" if query else self.url
        broken_off = 0
        pause, connect_timeout = MIN_PAUSE, CONNECT_TIMEOUT
        reach_until = monotonic() + MAX_CONNECT_SECONDS
        answer_until = reach_until + self.answer_timeout
        while True:
            left = min(self.answer_timeout, answer_until - monotonic())
            # Below `left`, so that not connecting is never mistaken for a slow answer.
            connect_within = max(0.01, min(connect_timeout, reach_until - monotonic(), 0.9 * left))
            try:
                with gevent.Timeout(left, TooSlow(self.too_slow)):
                    return self.call(request, connect_within)
            except Unreachable:
                connect_timeout *= 2
                if monotonic() + pause >= reach_until:
                    raise
            except BrokenOff:
                broken_off += 1
                if broken_off == MAX_BROKEN_OFF:
                    raise
                reach_until = monotonic() + MAX_CONNECT_SECONDS
            gevent.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)

    def call(self, request: requests.PreparedRequest, connect_timeout: float) -> BackendAnswer:
        """Make one attempt and return the answer."""
        # The caller bounds the reading: a limit for each read as well would be a timer more.
        try:
            with self.adapter.send(request, timeout=(connect_timeout, None)) as response:
                if 300 <= response.status_code < 400:
                    raise BadAnswer("backend redirected instead of answering")
                # One byte more than allowed tells "too large" without reading the rest.
                body = response.raw.read(self.max_answer_bytes + 1)
        except NotConnected as error:
            raise Unreachable from error
        except Disconnected as error:
            raise BrokenOff from error
        except BudgetExceeded as error:
            raise ServiceUnavailable("too many large answers at once", retry_after=1) from error
        except requests.RequestException as error:
            raise BadAnswer("backend's answer is not readable") from error

        if len(body) > self.max_answer_bytes:
            raise BadAnswer(f"backend's answer is larger than {self.max_answer_bytes} bytes")
        return BackendAnswer(response.status_code, json_object(body), retry_after(response))


def encoded(query: bytes) -> str:
    """Return the query with every character that a URL may not have percent-encoded.

    Raises:
        RequestURITooLarge: it is longer than the backend accepts.
    """
    text = quote(re.sub(rb"%(?![0-9A-Fa-f]{2})", b"%25", query), safe="%/?:@!$&'()*+,;=~-._")
    if len(text) > MAX_QUERY_BYTES:
        raise RequestURITooLarge(f"query of {len(text)} bytes once encoded; allowed: {MAX_QUERY_BYTES}")
    return text


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body.

    Raises:
        BadAnswer: the body is not JSON, or not an object.
    """
    try:
        # decode() here: json would also take UTF-16 and UTF-32, which RFC 8259 section 8.1 does not allow.
        content = DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise BadAnswer("backend's answer is not JSON") from error
    if not isinstance(content, dict):
        raise BadAnswer("backend's answer is not a JSON object")
    return content


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and writes but JSON does not have."""
    raise ValueError(name)


def finite(text: str) -> float:
    """Return the number, unless it overflows to infinity."""
    value = float(text)
    return value if math.isfinite(value) else refuse_constant(text)


# Made once: json.loads() would make one for each answer.
DECODER = json.JSONDecoder(parse_constant=refuse_constant, parse_float=finite)


def retry_after(response: requests.Response) -> str | None:
    """Return the Retry-After header if it is seconds or a date (RFC 9110 section 10.2.3)."""
    value = response.headers.get("Retry-After")
    return value if value and re.fullmatch(r"[A-Za-z0-9:, -]{1,40}", value) else None
