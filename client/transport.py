"""A requests adapter on gevent's sockets: a pool of expiring connections, one time limit to connect.

kube-proxy chooses a Pod per connection, not per request: a pool whose connections never expire would
leave new Pods idle, and stay on a Pod until its last moment.
"""

import random
import ssl
from collections import deque
from collections.abc import Mapping
from functools import cached_property, partial
from select import POLLIN
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

import gevent
import requests
from gevent.monkey import get_original
from gevent.ssl import SSLContext
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_encoding_from_headers, select_proxy

from client.answer import Answer
from client.errors import NotConnected
from client.request import serialize
from common.dns import DnsCache
from common.urls import port_of

# Shorter than the server's idle timeout, so that the server never closes first; jittered, or connections
# made together would all be made again together (seconds).
MIN_AGE, MAX_AGE = 10.0, 20.0
# The pool hands out the connection that was returned last, so a few carry most requests; without a
# limit, each of those few would decide where a large share of the load goes.
MAX_REQUESTS = 100
# How often idle connections that have expired are closed (seconds).
SWEEP_INTERVAL = 1.0

# The system's: gevent's own lets every other greenlet run first, even where it does not wait.
poll = get_original("select", "poll")


class Connection:
    """A connection in the pool."""

    def __init__(self, sock: Any) -> None:  # noqa: ANN401  a gevent socket, plain or TLS
        self.sock = sock
        self.poll = poll()
        self.poll.register(sock, POLLIN)
        self.requests = 0
        self.expires = monotonic() + random.uniform(MIN_AGE, MAX_AGE)  # noqa: S311

    def is_usable(self) -> bool:
        """Return whether another request may be sent: an idle connection should not be readable."""
        return self.requests < MAX_REQUESTS and monotonic() < self.expires and not self.poll.poll(0)


class PooledAdapter(BaseAdapter):
    """Send requests over pooled HTTP/1.1 connections; mount it in a Session or call send().

    For the greenlets of one thread. Without proxies, client certificates and cookies. A server's certificate
    is always verified.

    Args:
        ca_file: PEM file of the CAs to trust; without it those that requests trusts.
    """

    def __init__(self, ca_file: str | None = None) -> None:
        super().__init__()
        self.ca_file = ca_file
        self.dns = DnsCache()
        self.idle: dict[tuple[str, str], deque[Connection]] = {}
        self.sweeper: gevent.Greenlet | None = None

    def send(  # noqa: PLR0913, PLR0917  requests' signature
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002  bodies are read on demand
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002
        cert: object = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request whose body is bytes or str; return the response once its head is there.

        `timeout` is in seconds: to connect (name, address and TLS together), and for each read.

        Raises:
            requests.RequestException: see client.errors.
        """
        url = request.url or ""
        if verify is not True or cert or (proxies and select_proxy(url, dict(proxies))):
            raise requests.RequestException("verify=False, client certificates and proxies are not supported")
        connect_timeout, read_timeout = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        answer = self.exchange(request, connect_timeout, read_timeout)
        response = requests.Response()
        response.status_code = answer.status
        response.reason = answer.reason.decode("latin-1")
        response.headers = CaseInsensitiveDict(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers.items()}
        )
        response.encoding = get_encoding_from_headers(response.headers)
        response.url, response.request, response.raw = url, request, answer
        response.connection = self  # type: ignore[assignment]  # an HTTPAdapter, for requests
        return response

    def exchange(
        self,
        request: requests.PreparedRequest,
        connect_timeout: float | None,
        read_timeout: float | None = None,
    ) -> Answer:
        """Send a request and return the answer once its head is there, as send() does without a Response."""
        message = serialize(request, parts := urlsplit(request.url or ""))
        connection = self.pooled(parts) or self.connect(parts, connect_timeout)
        connection.requests += 1
        connection.sock.settimeout(read_timeout)
        done = partial(self.release, parts[:2], connection)
        answer = Answer(connection.sock, request.method or "", done)
        answer.exchange(message)
        return answer

    def pooled(self, parts: SplitResult) -> Connection | None:
        """Return a usable idle connection, the one that was used last; close those that are not usable."""
        idle = self.idle.get(parts[:2])
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                return connection
            connection.sock.close()
        return None

    def open(self, parts: SplitResult, timeout: float) -> None:
        """Put a new connection into the pool.

        Raises:
            NotConnected: there is none within the time limit (seconds).
        """
        self.release(parts[:2], self.connect(parts, timeout), reusable=True)

    def connect(self, parts: SplitResult, timeout: float | None) -> Connection:
        """Return a new connection to the first of the host's addresses that takes one."""
        try:
            tls = self.tls if parts.scheme == "https" else None
            return Connection(self.dns.connect(parts.hostname or "", port_of(parts), timeout, tls))
        except OSError as error:
            raise NotConnected(str(error)) from error

    @cached_property
    def tls(self) -> SSLContext:
        """The context of TLS connections, which verifies the server's certificate and host name."""
        context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca_file or DEFAULT_CA_BUNDLE_PATH)
        return context

    def release(self, key: tuple[str, str], connection: Connection, reusable: bool) -> None:  # noqa: FBT001
        """Put a connection back into the pool, or close it."""
        if not reusable:
            connection.sock.close()
            return
        self.idle.setdefault(key, deque()).append(connection)
        if not self.sweeper:
            self.sweeper = gevent.spawn(self.sweep)

    def sweep(self) -> None:
        """Close expired idle connections, which would stay on an old Pod; return once none is left."""
        while any(self.idle.values()):
            gevent.sleep(SWEEP_INTERVAL)
            for idle in self.idle.values():
                for _ in range(len(idle)):
                    connection = idle.popleft()
                    if connection.is_usable():
                        idle.append(connection)
                    else:
                        connection.sock.close()

    def close(self) -> None:
        """Close the idle connections."""
        for idle in self.idle.values():
            while idle:
                idle.pop().sock.close()
