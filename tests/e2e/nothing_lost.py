"""Calls all through a change in the cluster, of which none may fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e import measurements
from tests.e2e.caller_pod import BUSY_KINDS, Calls, calling
from tests.e2e.cluster import Cluster

MIN_REQUESTS = 10_000
IDLE_CONNECTIONS = 100


@contextmanager
def nothing_lost(
    cluster: Cluster,
    case: str,
    min_requests: int = MIN_REQUESTS,
    idle_connections: int = IDLE_CONNECTIONS,
    **callers: Any,
) -> Iterator[Calls]:
    """Call the client while the block runs and until old Pods are gone; fail if a request did."""
    with calling(cluster, case, min_requests, idle_connections=idle_connections, **callers) as calls:
        yield calls
        cluster.settle()
    measurements.cases.append(calls)
    assert calls.failures() == {}, calls.log
    for kind in BUSY_KINDS:
        assert calls.summary[kind]["requests"] >= min_requests
    assert calls.summary["idle up to 60 s"]["requests"] >= idle_connections
