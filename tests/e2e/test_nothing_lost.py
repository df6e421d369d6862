"""No request fails while Pods come and go. The callers do not retry."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import figures
from tests.e2e.cluster import NAMESPACE, SERVICES, Cluster, kubectl, until
from tests.e2e.load import KINDS, load

ENOUGH = 10_000


@contextmanager
def nothing_lost(cluster: Cluster, case: str, enough: int = ENOUGH) -> Iterator[None]:
    """Call the client all through the block, then until old Pods are gone: no request may fail."""
    with load(cluster, case, enough) as callers:
        yield
        cluster.settle()
    figures.loads.append(callers)
    assert callers.failures() == {}, callers.log
    for kind in KINDS:
        assert callers.figures[kind]["requests"] >= enough


def restart(*services: str) -> None:
    kubectl("rollout", "restart", *(f"deployment/{service}" for service in services))
    for service in services:
        kubectl("rollout", "status", f"deployment/{service}", "--timeout=180s")


def test_a_rollout_of_both_at_once_loses_nothing_quickly(cluster: Cluster) -> None:
    with nothing_lost(cluster, "roll-out of both, quick", enough=3_000):
        restart(*SERVICES)


@pytest.mark.full
@pytest.mark.parametrize("services", [("backend",), ("client",), SERVICES], ids="+".join)
def test_a_rollout_loses_nothing(cluster: Cluster, services: tuple[str, ...]) -> None:
    with nothing_lost(cluster, f"roll-out of {' and '.join(services)}"):
        restart(*services)


@pytest.mark.full
@pytest.mark.parametrize("service", SERVICES)
def test_a_deleted_pod_takes_nothing_along(cluster: Cluster, service: str) -> None:
    with nothing_lost(cluster, f"delete a {service} Pod"):
        cluster.core.delete_namespaced_pod(cluster.pods(service)[0].metadata.name, NAMESPACE)


@pytest.mark.full
@pytest.mark.parametrize("service", SERVICES)
def test_scaling_up_and_down_loses_nothing(cluster: Cluster, service: str) -> None:
    with nothing_lost(cluster, f"scale {service} 2, 5, 2"):
        for replicas in (5, 2):
            cluster.scale(service, replicas)
            until(lambda: cluster.settled(service), f"settled: {service} at {replicas} replicas")
