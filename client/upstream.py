"""Calls to the backend, all of them: how they are made, and how long they may take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json import dumps
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlsplit

import gevent
import requests
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from client.answer import Answer
from client.answer_headers import passed_headers
from client.errors import BadAnswer, BrokenOff, NotConnected, TooSlow, Unreachable, http_error
from client.forwarding import checked_path, encoded
from client.settings import Settings
from client.transport import PooledAdapter
from common import strict_json
from common.contract import IDEMPOTENT_METHODS, MAX_CONNECT_SECONDS, with_warning

# For the first attempt to connect; each next one may take twice as long (seconds). A lost packet costs
# little, since another attempt may well reach another Pod, and a busy machine still gets its time.
CONNECT_TIMEOUT = 0.5
# Pauses between attempts: short, since another Pod may well answer at once, and doubling (seconds).
MIN_PAUSE, MAX_PAUSE = 0.02, 0.5
# A backend that breaks off every answer is broken itself; a Pod that died does so once.
MAX_BROKEN_OFF = 3
# How long a process that has just started may be without a connection before it counts as ready (seconds): a
# new Pod is up before all nodes know it, and until then their NetworkPolicies may drop what it sends.
REACHED_WITHIN = 10.0
# The same for every call.
HEADERS: Any = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "client"}

Attempted = TypeVar("Attempted")  # what an attempt returns


@dataclass(frozen=True)
class BackendAnswer:
    """The backend's status, JSON (None to HEAD, and with 204 and 304), and headers that are passed on."""

    status: int
    content: dict[str, Any] | None
    headers: dict[str, str]


class Upstream:
    """The backend behind a pool of connections."""

    def __init__(self, settings: Settings) -> None:
        self.answer_timeout, self.stream_timeout = settings.answer_timeout, settings.stream_timeout
        self.too_slow = f"backend did not answer within {settings.answer_timeout:g} s"
        self.max_answer_bytes = settings.max_answer_bytes
        self.adapter = PooledAdapter(settings.url_ca_file or None)
        self.url, self.base = settings.url, urlsplit(settings.url)
        self.ready_at = monotonic() + REACHED_WITHIN

    def check_reached(self) -> None:
        """Do nothing once the backend was reached, or REACHED_WITHIN is over.

        Raises:
            ServiceUnavailable: neither is so.
        """
        if monotonic() < self.ready_at:
            try:
                self.adapter.open(self.base, CONNECT_TIMEOUT)
            except NotConnected as error:
                raise ServiceUnavailable("backend not reached yet") from error
            self.ready_at = 0.0

    def call(
        self,
        method: str,
        path: str,
        query: bytes = b"",
        json: Mapping[str, Any] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> BackendAnswer:
        """Call the backend.

        Retries a failed connection until MAX_CONNECT_SECONDS and, where the method is idempotent, an answer
        that was broken off a few times. A call whose answer is late is not retried.

        Args:
            method: the HTTP method.
            path: percent-encoded, below the path of URL.
            query: the query string, without `?`.
            json: the body: bytes of JSON are sent as they are.
            headers: in addition to HEADERS.

        Raises:
            HTTPException: see client.errors.
        """
        return self.retried(self.request(method, path, query, json, headers), self.attempt)

    def request(
        self,
        method: str,
        path: str,
        query: bytes,
        json: Mapping[str, Any] | bytes | None,
        headers: Mapping[str, str] | None,
    ) -> requests.PreparedRequest:
        """Return the request of a call; see call()."""
        url = self.url + checked_path(path)
        return prepared(method, f"{url}?{encoded(query)}" if query else url, json, headers)

    def retried(self, request: requests.PreparedRequest, attempt: Callable[..., Attempted]) -> Attempted:
        """Make attempts until one succeeds, or none more is allowed; return its answer."""
        method, broken_off = request.method or "", 0
        pause, connect_timeout = MIN_PAUSE, CONNECT_TIMEOUT
        reach_until = monotonic() + MAX_CONNECT_SECONDS
        answer_until = reach_until + self.answer_timeout
        while True:
            left = min(self.answer_timeout, answer_until - monotonic())
            # Below `left`, so that not connecting is never mistaken for a slow answer.
            connect_within = max(0.01, min(connect_timeout, reach_until - monotonic(), 0.9 * left))
            try:
                with gevent.Timeout(left, TooSlow(self.too_slow)):
                    return attempt(request, connect_within)
            except Unreachable:  # nothing was sent
                connect_timeout *= 2
                if monotonic() + pause >= reach_until:
                    raise
            except HTTPException as error:
                error.description = with_warning(error.description, method)
                broken_off += 1
                may_retry = isinstance(error, BrokenOff) and method in IDEMPOTENT_METHODS
                if not may_retry or broken_off == MAX_BROKEN_OFF:
                    raise
                reach_until = monotonic() + MAX_CONNECT_SECONDS
            gevent.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)

    def attempt(self, request: requests.PreparedRequest, connect_timeout: float) -> BackendAnswer:
        """Make one attempt and return the answer."""
        try:
            return self.answer(request, self.send(request, connect_timeout))
        except requests.RequestException as error:
            raise http_error(error) from error

    def send(self, request: requests.PreparedRequest, connect_timeout: float) -> Answer:
        """Send a request and return the answer, of which only the head has been read."""
        # The caller bounds the reading: a limit for each read as well would be a timer more.
        return self.adapter.exchange(request, connect_timeout)

    def answer(self, request: requests.PreparedRequest, answer: Answer) -> BackendAnswer:
        """Read an answer to its end and return what is passed on of it."""
        status = answer.status
        try:
            if 300 <= status < 400 and status != 304:
                raise BadAnswer("backend redirected instead of answering")
            # One byte more than allowed tells "too large" without reading the rest.
            body = answer.read(self.max_answer_bytes + 1)
        finally:
            answer.close()
        if len(body) > self.max_answer_bytes:
            raise BadAnswer(f"backend's answer is larger than {self.max_answer_bytes} bytes")
        content = None if request.method == "HEAD" or status in (204, 304) else json_object(body)
        return BackendAnswer(status, content, passed_headers(answer, request.url or "", self.base))


def prepared(
    method: str, url: str, json: Mapping[str, Any] | bytes | None, headers: Mapping[str, str] | None
) -> requests.PreparedRequest:
    """Return a request; prepare() would parse and quote what is checked already."""
    request = requests.PreparedRequest()
    request.method, request.url, request.headers = method, url, HEADERS
    added = dict(headers or {})
    if json is not None:
        request.body = body = json if isinstance(json, bytes) else dumps(json).encode()
        added |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    elif method in ("POST", "PUT", "PATCH"):
        added["Content-Length"] = "0"  # RFC 9110 section 8.6
    if added:
        request.headers = HEADERS | added
    return request


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body.

    Raises:
        BadAnswer: the body is not JSON, or not an object.
    """
    try:
        content = strict_json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("backend's answer is not JSON") from error
    if not isinstance(content, dict):
        raise BadAnswer("backend's answer is not a JSON object")
    return content
