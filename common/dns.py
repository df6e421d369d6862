"""DNS cache, and connections to the addresses in it.

The cache serves the last good answer while it is refreshed; concurrent lookups share one query.
"""

from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import gevent
from gevent.socket import IPPROTO_TCP, SOCK_STREAM, TCP_NODELAY, getaddrinfo, socket
from gevent.ssl import SSLContext

# Age at which an answer, or a query without one yet, is refreshed (seconds).
TTL = 1.0

# As socket.getaddrinfo returns them: family, type, protocol, canonical name, socket address.
AddressInfo = tuple[Any, Any, int, str, Any]


@dataclass
class Entry:
    """The last good answer for a name, and the latest query."""

    addresses: list[AddressInfo]
    query: gevent.Greenlet | None = None
    queried: float = 0.0


class DnsCache:
    """Cache of the addresses of host names.

    Without it a burst of connections would be a burst of queries, and a lost packet would cost the
    resolver's timeout of 5 s. A stale address costs no more than a failed attempt to connect.
    """

    def __init__(self) -> None:
        self.entries: dict[tuple[str, int], Entry] = {}

    def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """Return the addresses of a host; at once if it was ever resolved.

        Raises:
            OSError: the name does not resolve, and never did.
        """
        entry = self.entries.setdefault((host, port), Entry([]))
        query = entry.query
        if query is None or monotonic() > entry.queried + TTL or (query.ready() and not entry.addresses):
            query = entry.query = gevent.spawn(self.refresh, entry, host, port)
            entry.queried = monotonic()
        return entry.addresses or query.get()

    def refresh(self, entry: Entry, host: str, port: int) -> list[AddressInfo]:
        """Query the system's resolver and keep its answer."""
        entry.addresses = getaddrinfo(host, port, type=SOCK_STREAM)
        return entry.addresses

    def connect(self, host: str, port: int, timeout: float | None, tls: SSLContext | None) -> socket:
        """Return a socket connected to the first of a host's addresses that takes one.

        Args:
            host: a name or an address.
            port: the port.
            timeout: for name, addresses and TLS together (seconds).
            tls: with which the server's certificate is verified for the host; None for plain TCP.

        Raises:
            OSError: none takes one within the time limit.
        """
        with gevent.Timeout(timeout, exception=False):
            *others, last = self.addresses(host, port)
            for address in others:
                with suppress(OSError):
                    # One that hangs leaves half of the time to the next.
                    return connect_to(address, host, timeout and timeout / 2, tls)
            return connect_to(last, host, None, tls)
        raise TimeoutError(f"not connected within {timeout:g} s")


def connect_to(info: AddressInfo, host: str, timeout: float | None, tls: SSLContext | None) -> socket:
    """Return a socket connected to one address of a host, after a TLS handshake if there is one."""
    family, kind, protocol, _, address = info
    sock = socket(family, kind, protocol)
    try:
        sock.settimeout(timeout)
        sock.connect(address)
        sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        if tls:
            name = host.rstrip(".")  # RFC 6066 section 3
            # Its own handshake would leave the socket open where a gevent.Timeout or kill() ends it.
            sock = tls.wrap_socket(sock, do_handshake_on_connect=False, server_hostname=name)
            sock.do_handshake()
    except BaseException:
        sock.close()
        raise
    return sock
