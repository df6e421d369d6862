"""DNS cache: serves the last good answer while it is refreshed; concurrent lookups share one query."""

import socket
from dataclasses import dataclass
from time import monotonic
from typing import Any

import gevent
from gevent.socket import getaddrinfo

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
        entry.addresses = getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return entry.addresses
