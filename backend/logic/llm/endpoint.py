"""Calls to an OpenAI-compatible endpoint, all of them: how they are made, and how much is read.

Each call has a connection of its own: the endpoint may be closing an idle one, and nothing is retried, since
each attempt costs money. Redirects are not followed: a conversation goes nowhere else.
"""

import json
import ssl
from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import gevent
from werkzeug.exceptions import BadGateway, GatewayTimeout, ServiceUnavailable

from backend.logic.llm.refusals import refusal
from backend.logic.llm.settings import Settings
from common.contract import MAX_CONNECT_SECONDS
from common.dns import DnsCache
from common.spans import waiting
from common.urls import masked_url, port_of

# Largest answer that is read, less than the client accepts; most of it that is read at once, or of an error.
MAX_BYTES, CHUNK_BYTES = 1_000_000, 10_000
# Part of ANSWER_TIMEOUT that the model gets, so that our 504 arrives before the client gives up.
MODEL_SHARE = 0.95
BROKE_OFF = "the model's endpoint is unreachable or broke off"


class Endpoint:
    """The endpoint, and how many calls of it there are now."""

    def __init__(self, settings: Settings) -> None:
        url = urlsplit(settings.llm_base_url)
        self.tls = ssl.create_default_context() if url.scheme == "https" else None
        self.host, self.port = url.hostname or "", port_of(url)
        self.path = url.path.rstrip("/")
        self.attributes = {  # of a span
            "http.request.method": "POST",
            "url.full": f"{masked_url(settings.llm_base_url)}/chat/completions",
            "server.address": self.host,
            "server.port": self.port,
        }
        self.key = settings.llm_api_key
        self.headers = {"Content-Type": "application/json", "Connection": "close", "User-Agent": "backend"}
        if self.key:
            self.headers["Authorization"] = f"Bearer {self.key}"
        self.timeout = MODEL_SHARE * settings.answer_timeout
        self.dns = DnsCache()
        self.max_calls, self.calls = settings.llm_max_calls, 0

    def complete(self, request: Mapping[str, Any], callers: Collection[str]) -> bytes:
        """Return the endpoint's answer.

        Args:
            request: the fields of a chat completion's request.
            callers: which of them the caller sent.

        Raises:
            ServiceUnavailable: LLM_MAX_CALLS are under way already.
            GatewayTimeout: the endpoint took too long.
            BadGateway: it is unreachable, broke off, or answers at too great length.
            HTTPException: it answered with an error, see `refusal`.
        """
        with self.translated_errors(), self.called(request, callers) as response:
            body = response.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise BadGateway(f"the model's answer is larger than {MAX_BYTES} bytes")
        if response.length:  # bytes that were announced and did not come
            raise BadGateway(BROKE_OFF)
        return body

    def stream(self, request: Mapping[str, Any], callers: Collection[str]) -> Generator[bytes, None, None]:
        """Yield the endpoint's answer in pieces, as they come; to close the iterator is to hang up.

        The time limit is for each piece; otherwise like `complete`.
        """
        with self.called(request, callers) as response:
            while True:
                with self.translated_errors():
                    piece = response.read1(CHUNK_BYTES)
                if not piece:
                    return
                yield piece

    @contextmanager
    def called(self, request: Mapping[str, Any], callers: Collection[str]) -> Iterator[HTTPResponse]:
        """Return the endpoint's response once its head is there; hang up however the block ends."""
        if self.calls >= self.max_calls:
            raise ServiceUnavailable(f"{self.calls} calls of the model are under way", retry_after=1)
        self.calls += 1
        try:
            with (
                waiting("POST", self.attributes) as span,
                closing(self.connection()) as connection,
                self.exchange(connection, request) as response,
            ):
                if span:
                    span.attributes["http.response.status_code"] = response.status
                self.check(response, callers)
                yield response
        finally:
            self.calls -= 1

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Bound what the block waits for, and raise what goes wrong as an answer for the caller."""
        too_slow = GatewayTimeout(f"the model did not answer within {self.timeout:g} s")
        try:
            with gevent.Timeout(self.timeout, too_slow):
                yield
        except (OSError, HTTPException) as error:
            # All but the operating system's may quote what the endpoint sent.
            reason = error if isinstance(error, OSError) else RuntimeError(type(error).__name__)
            raise BadGateway(BROKE_OFF) from reason

    def connection(self) -> HTTPConnection:
        """Return a connection that is not open yet."""
        if self.tls:
            return HTTPSConnection(self.host, self.port, context=self.tls)
        return HTTPConnection(self.host, self.port)

    def exchange(self, connection: HTTPConnection, request: Mapping[str, Any]) -> HTTPResponse:
        """Send a request and return the response once its head is there."""
        body = json.dumps(request).encode()
        with self.translated_errors():
            # Its own connect() would ask the DNS each time, in a thread.
            connection.sock = self.dns.connect(self.host, self.port, MAX_CONNECT_SECONDS, self.tls)
            connection.sock.settimeout(None)  # translated_errors() bounds the rest
            connection.request("POST", f"{self.path}/chat/completions", body, self.headers)
            return connection.getresponse()

    def check(self, response: HTTPResponse, callers: Collection[str]) -> None:
        """Raise the endpoint's error, if it answers with one."""
        if 200 <= response.status < 300:
            return
        with self.translated_errors():
            body = response.read(CHUNK_BYTES)
        raise refusal(response.status, response.headers.get("Retry-After", ""), body, self.key, callers)
