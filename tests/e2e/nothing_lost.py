"""Calls all through a change in the cluster, of which none may fail."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e import measurements
from tests.e2e.caller_pod import KINDS, calling
from tests.e2e.cluster import Cluster

MIN_REQUESTS = 10_000


@contextmanager
def nothing_lost(cluster: Cluster, case: str, min_requests: int = MIN_REQUESTS) -> Iterator[None]:
    """Call the client while the block runs and until old Pods are gone; fail if a request did."""
    with calling(cluster, case, min_requests) as calls:
        yield
        cluster.settle()
    measurements.cases.append(calls)
    assert calls.failures() == {}, calls.log
    for kind in KINDS:
        assert calls.summary[kind]["requests"] >= min_requests
