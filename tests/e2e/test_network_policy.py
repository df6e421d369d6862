"""NetworkPolicies: what each Pod, and each node, can connect to."""

import json
from typing import Any

import pytest

from tests.e2e.caller_pod import CALLER_NAMESPACE, create_pod, phase
from tests.e2e.cluster import NAMESPACE, SERVICES, Cluster, run, until

# Tries to connect to each "host:port" of its arguments and prints which it reached.
PROBE = """
import json, socket, sys
reached = {}
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        reached[target] = True
    except OSError:
        reached[target] = False
print(json.dumps(reached))
"""


def reached(cluster: Cluster, pod: str, namespace: str, *targets: str) -> dict[str, bool]:
    """Return which targets a Pod can connect to."""
    result: dict[str, bool] = json.loads(
        cluster.execute(pod, "python", "-c", PROBE, *targets, namespace=namespace)
    )
    return result


@pytest.fixture
def addresses(cluster: Cluster) -> dict[str, Any]:
    """Addresses rather than names: a refused DNS lookup proves nothing about the target."""
    services = {app: cluster.core.read_namespaced_service(app, NAMESPACE).spec.cluster_ip for app in SERVICES}
    pods = {app: cluster.pods(app)[0] for app in SERVICES}
    return {
        "backend": f"{services['backend']}:8080",
        "client": f"{services['client']}:8082",
        "backend pod": f"{pods['backend'].status.pod_ip}:8080",
        "client pod": f"{pods['client'].status.pod_ip}:8082",
        "client pod, another port": f"{pods['client'].status.pod_ip}:8080",
        "api server": f"{cluster.core.read_namespaced_service('kubernetes', 'default').spec.cluster_ip}:443",
        "dns": f"{cluster.core.read_namespaced_service('kube-dns', 'kube-system').spec.cluster_ip}:53",
    }


def tried(cluster: Cluster, addresses: dict[str, Any], pod: str, namespace: str, *names: str) -> set[str]:
    """Return which of the named targets the Pod reaches."""
    result = reached(cluster, pod, namespace, *(addresses[name] for name in names))
    return {name for name in names if result[addresses[name]]}


def test_a_third_pod_reaches_the_client_on_its_port_and_not_the_backend(
    cluster: Cluster, addresses: dict[str, Any]
) -> None:
    create_pod(cluster, "third", ["sleep", "300"])
    until(lambda: phase(cluster, "third") == "Running", "running: a third Pod")
    found = tried(cluster, addresses, "third", CALLER_NAMESPACE, *addresses)
    assert found == {"client", "client pod", "api server", "dns"}


def test_of_the_nodes_only_a_client_pods_own_reaches_it(cluster: Cluster) -> None:
    pod = cluster.pods("client")[0]
    connect = f"timeout 3 bash -c '</dev/tcp/{pod.status.pod_ip}/8082' && echo reached || true"
    nodes = [node.metadata.name for node in cluster.core.list_node().items]
    found = {node: run("docker", "exec", node, "bash", "-c", connect) for node in nodes}
    # Probes and port-forwards come from there.
    assert [node for node, output in found.items() if "reached" in output] == [pod.spec.node_name]


def test_a_client_pod_reaches_the_backend_and_dns_and_nothing_else(
    cluster: Cluster, addresses: dict[str, Any]
) -> None:
    pod = cluster.pods("client")[-1].metadata.name
    others = [name for name in addresses if name != "client"]  # may lead to the Pod itself
    assert tried(cluster, addresses, pod, NAMESPACE, *others) == {"backend", "backend pod", "dns"}


def test_a_backend_pod_reaches_nothing(cluster: Cluster, addresses: dict[str, Any]) -> None:
    pod = cluster.pods("backend")[-1].metadata.name
    others = [name for name in addresses if name != "backend"]  # may lead to the Pod itself
    assert tried(cluster, addresses, pod, NAMESPACE, *others) == set()
