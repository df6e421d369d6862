"""No request fails while Pods come and go. The callers do not retry."""

from typing import Any

import pytest

from tests.e2e import measurements
from tests.e2e.caller_pod import calling
from tests.e2e.cluster import NAMESPACE, SERVICES, Cluster, kubectl, restart, run, until
from tests.e2e.nothing_lost import MIN_REQUESTS, nothing_lost


def test_a_rollout_of_both_at_once_loses_nothing_quickly(cluster: Cluster) -> None:
    with nothing_lost(cluster, "roll-out of both, quick", min_requests=2_000):
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


@pytest.mark.full
def test_draining_a_node_loses_nothing(cluster: Cluster) -> None:
    node = cluster.pods("backend")[0].spec.node_name
    with nothing_lost(cluster, "drain a node"), cluster.drained(node):
        cluster.settle()


@pytest.mark.full
def test_a_killed_worker_of_a_backend_is_hidden_by_the_client(cluster: Cluster) -> None:
    with nothing_lost(cluster, "SIGKILL a backend's gunicorn worker"):
        victim = cluster.pods("backend")[0].metadata.name
        cluster.execute(victim, "sh", "-c", "kill -KILL $(cat /proc/1/task/1/children)")


def kill_container(cluster: Cluster, service: str) -> None:
    """Send SIGKILL to a container's first process, which only its node can do; wait for its restart."""
    pod = cluster.pods(service)[0]
    [before] = pod.status.container_statuses
    container = before.container_id.removeprefix("containerd://")
    pid = run(
        "docker",
        "exec",
        pod.spec.node_name,
        "crictl",
        "inspect",
        "-o",
        "go-template",
        "--template",
        "{{.info.pid}}",
        container,
    )
    run("docker", "exec", pod.spec.node_name, "kill", "-KILL", pid.strip())

    def restarted() -> bool:
        [now] = cluster.core.read_namespaced_pod(pod.metadata.name, NAMESPACE).status.container_statuses
        return bool(now.restart_count > before.restart_count and now.ready)

    until(restarted, f"restarted: the killed {service} container")


@pytest.mark.full
def test_a_killed_backend_container_is_hidden_by_the_client(cluster: Cluster) -> None:
    with nothing_lost(cluster, "SIGKILL a backend container"):
        kill_container(cluster, "backend")


@pytest.mark.full
def test_a_killed_client_container_loses_only_what_was_in_flight_on_it(cluster: Cluster) -> None:
    with calling(cluster, "SIGKILL a client container", MIN_REQUESTS) as calls:
        kill_container(cluster, "client")
    measurements.cases.append(calls)
    lost = calls.failures()
    what = ", ".join(f"{failure}: {number}" for failure, number in lost.items())
    measurements.notes["lost with a killed client container"] = what or "nothing"
    # Connections break; an answer is never wrong. What was in flight is about half of the callers'.
    assert not [what for what in lost if "status" in what or "body" in what], calls.log
    assert sum(lost.values()) < 100, calls.log


BROKEN: dict[str, dict[str, Any]] = {
    "image": {"image": "backend:does-not-exist"},
    "setting": {"env": [{"name": "WORKERS", "value": "many"}]},
}


@pytest.mark.full
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_rollout_stalls_and_rollout_undo_repairs_it(cluster: Cluster, broken: str) -> None:
    with nothing_lost(cluster, f"roll-out of a broken {broken}, and undo"):
        pod = {"spec": {"containers": [{"name": "app", **BROKEN[broken]}]}}
        cluster.apps.patch_namespaced_deployment("backend", NAMESPACE, {"spec": {"template": pod}})
        until(lambda: waiting(cluster) & {"ImagePullBackOff", "ErrImagePull", "CrashLoopBackOff"}, "stalled")
        ready = [pod for pod in cluster.pods("backend") if pod.status.container_statuses[0].ready]
        assert len(ready) == 2, "the old Pods go on"
        kubectl("rollout", "undo", "deployment/backend")


def waiting(cluster: Cluster) -> set[str]:
    """Return the reasons why containers of the backend are waiting."""
    states = [s.state for pod in cluster.pods("backend") for s in pod.status.container_statuses or []]
    return {state.waiting.reason for state in states if state.waiting}
