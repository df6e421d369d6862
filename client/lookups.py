"""DNS lookups that callers share, so that a burst of new connections is not a burst of lookups."""

from time import monotonic
from typing import Any

import gevent
from gevent.resolver.thread import Resolver

# How long others may use a lookup, counted from its start: one that is lost delays them no longer (seconds).
SHARED_FOR = 1.0


class SharedLookups(Resolver):  # type: ignore[misc]  # untyped
    """gevent's resolver, asked at most once a second for each name."""

    def __init__(self, hub: Any = None) -> None:  # noqa: ANN401  gevent's own
        super().__init__(hub)
        self.lookups: dict[Any, tuple[float, gevent.Greenlet]] = {}

    def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as socket.getaddrinfo
        """Look a name up, or wait for the lookup of another caller."""
        name = (args, tuple(kwargs.items()))
        started, lookup = self.lookups.get(name, (0.0, None))
        failed = lookup and lookup.ready() and not lookup.successful()
        if lookup is None or failed or monotonic() > started + SHARED_FOR:
            lookup = gevent.spawn(super().getaddrinfo, *args, **kwargs)
            self.lookups[name] = monotonic(), lookup
        return lookup.get()
