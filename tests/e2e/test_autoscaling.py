"""With the autoscaling component, the number of Pods follows the load, and no request fails."""

from collections.abc import Iterator

import pytest
from kubernetes.client.exceptions import ApiException

from tests.e2e import measurements
from tests.e2e.caller_pod import calling
from tests.e2e.cluster import SERVICES, Cluster, kubectl, skaffold_run, until

pytestmark = pytest.mark.full


@pytest.fixture
def autoscaled(cluster: Cluster) -> Iterator[None]:
    """The pair with the component, and without it afterwards."""
    try:
        cluster.custom.list_cluster_custom_object("metrics.k8s.io", "v1beta1", "nodes")
    except ApiException:
        pytest.fail("autoscaling needs metrics-server: kubectl apply --kustomize tests/e2e/metrics-server")
    try:
        skaffold_run("--profile", "autoscaling")
        yield
    finally:
        kubectl("delete", "horizontalpodautoscaler", *SERVICES, "--ignore-not-found")
        skaffold_run()


def replicas(cluster: Cluster, app: str) -> int:
    """Return the number of a service's Pods."""
    return len(cluster.pods(app))


@pytest.mark.usefixtures("autoscaled")
def test_pods_follow_the_load_without_a_failed_request(cluster: Cluster) -> None:
    most = dict.fromkeys(SERVICES, 2)

    def added() -> bool:
        most.update({app: max(most[app], replicas(cluster, app)) for app in SERVICES})
        return most["client"] > 2

    # More than two Pods' worth of work, also of a fast machine: 200 callers that hardly pause.
    with calling(cluster, "autoscaling up", 0, connections=200, rate=100) as busy:
        until(added, "added: Pods for the load", 240)
        until(lambda: cluster.settled("client"), "settled: the client", 120)
    with calling(cluster, "autoscaling down", 0, connections=2, rate=5) as calm:
        until(lambda: all(replicas(cluster, app) == 2 for app in SERVICES), "back: two Pods each", 400)
        cluster.settle()
    measurements.cases.extend([busy, calm])
    measurements.notes["autoscaling under load"] = (
        f"backend from 2 Pods to {most['backend']}, client to {most['client']}, and 2 again"
    )
    assert busy.failures() | calm.failures() == {}, busy.log + calm.log
