"""DNS lookups that no call waits for twice: a burst of connections is not a burst of lookups."""

from dataclasses import dataclass
from time import monotonic
from typing import Any

import gevent
from gevent.resolver.thread import Resolver

# How old an answer, or a lookup without one yet, may be before the name is looked up again (seconds).
FRESH_FOR = 1.0


@dataclass
class Name:
    """What is known of a name."""

    addresses: Any = None
    lookup: gevent.Greenlet | None = None
    looked_up: float = 0.0


class SharedLookups(Resolver):  # type: ignore[misc]  # untyped
    """gevent's resolver, which gives the last good answer at once and renews it behind the scenes.

    A changed address costs one failed try to connect, which is made again with the new one; a lost
    DNS packet, for which resolvers wait 5 s, costs nothing.
    """

    def __init__(self, hub: Any = None) -> None:  # noqa: ANN401  gevent's own
        super().__init__(hub)
        self.names: dict[Any, Name] = {}

    def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as socket.getaddrinfo
        """Look a name up, or use what another call has found out or is about to."""
        name = self.names.setdefault((args, tuple(kwargs.items())), Name())
        failed = name.lookup and name.lookup.ready() and not name.lookup.successful()
        if failed or monotonic() > name.looked_up + FRESH_FOR:
            name.lookup, name.looked_up = gevent.spawn(self.look_up, name, *args, **kwargs), monotonic()
        return name.addresses or name.lookup.get()  # type: ignore[union-attr]

    def look_up(self, name: Name, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Ask the system."""
        name.addresses = super().getaddrinfo(*args, **kwargs)
        return name.addresses
