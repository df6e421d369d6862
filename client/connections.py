"""Pooled connections that live for a while, or for some requests, and then make room for new ones.

kube-proxy chooses a Pod per connection, not per request: callers that never reconnect would leave
new Pods idle, and stay on a Pod until its last moment.
"""

import random
from select import POLLIN
from time import monotonic
from typing import Any

import gevent
from gevent.monkey import get_original
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError

from client.heads import QuickResponse

# Shorter than the server's keepalive, so that the server never closes first (seconds).
SHORTEST_LIFE, LONGEST_LIFE = 10.0, 20.0
# The pool gives out the connection that was last returned, so that a few carry most requests;
# without this, each of those few would decide where a large share of the load goes.
MOST_REQUESTS = 100

# The system's: gevent's own lets every other caller run first, even where it does not wait.
poll = get_original("select", "poll")


class ShortLived(HTTPConnection):
    """A connection with a limited age, and one time limit for name, address and TLS together."""

    response_class = QuickResponse
    expires = 0.0
    requests = 0

    def connect(self) -> None:
        """Connect within the connect timeout; urllib3's own bounds each step and address alone."""
        with gevent.Timeout(self.timeout, ConnectTimeoutError(self, "connect timeout")):
            super().connect()
        self.arrived = poll()
        self.arrived.register(self.sock, POLLIN)
        self.requests = 0
        # Spread, or connections made together would all be made again together.
        self.expires = monotonic() + random.uniform(SHORTEST_LIFE, LONGEST_LIFE)  # noqa: S311

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  urllib3's own
        """Send a request."""
        self.requests += 1
        super().request(*args, **kwargs)

    @property
    def is_connected(self) -> bool:
        """Whether the pool may use it again: it reconnects where the answer is no."""
        if self.sock is None or monotonic() >= self.expires or self.requests >= MOST_REQUESTS:
            return False
        # What arrives between two answers is the connection's end, or an answer nobody asked for.
        return not self.arrived.poll(0)


class ShortLivedTLS(ShortLived, HTTPSConnection):
    """The same over TLS."""


class Pool(HTTPConnectionPool):
    """Makes them."""

    ConnectionCls = ShortLived


class TLSPool(HTTPSConnectionPool):
    """Makes them over TLS."""

    ConnectionCls = ShortLivedTLS


class Streamed(Response):
    """What a call needs of a response: no cookie jar, no copy of the headers."""

    def __init__(self, raw: HTTPResponse) -> None:
        self.raw = raw
        self.status_code = raw.status
        self.headers = raw.headers  # type: ignore[assignment]  # as good to read

    def close(self) -> None:
        """Close the connection if part of the answer is unread; give it back."""
        self.raw.close()
        self.raw.release_conn()


class ShortLivedConnections(HTTPAdapter):
    """A requests adapter that pools them, for one backend, without proxies and cookies."""

    pool: HTTPConnectionPool | None = None

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  requests' own
        """Called by requests."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": TLSPool}

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:  # noqa: ANN401
        """The pool, which requests would look up by the URL's parts for each call."""
        if self.pool is None:
            self.pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self.pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:  # noqa: ANN401, ARG002
        """The path and query; requests would look for a proxy first."""
        return request.path_url

    def build_response(self, req: PreparedRequest, resp: HTTPResponse) -> Response:  # noqa: ARG002
        """The response as it came."""
        return Streamed(resp)
