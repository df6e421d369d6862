"""New backend Pods get their share of the requests of callers that never reconnect."""

import time

import pytest

from tests.e2e import measurements
from tests.e2e.caller_pod import calling
from tests.e2e.cluster import Cluster, until


@pytest.mark.full
def test_each_of_four_backend_pods_has_its_share_half_a_minute_after_there_were_two(cluster: Cluster) -> None:
    with calling(cluster, "backend from 2 to 4, spread", 0, connections=64, rate=0) as calls:
        cluster.scale("backend", 4)
        until(lambda: cluster.settled("backend"), "settled: the backend at 4 replicas", pause=0.1)
        four = time.monotonic()
        until(lambda: time.monotonic() > four + 30, "connections as old as they get", 40)
        before = cluster.requests_counted("backend")
        until(lambda: time.monotonic() > four + 30 + 60, "measured for a minute", 70)
        seen = {pod: count - before[pod] for pod, count in cluster.requests_counted("backend").items()}
        cluster.scale("backend", 2)
    measurements.cases.append(calls)
    total = sum(seen.values())
    shares = sorted(round(100 * count / total) for count in seen.values())
    measurements.notes["backend from 2 to 4 Pods, 64 callers that keep their connections"] = (
        f"{', '.join(map(str, shares))} % of {total} requests"
    )
    assert calls.failures() == {}, calls.log
    assert len(shares) == 4
    assert min(shares) >= 15
