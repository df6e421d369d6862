"""The pair as a user finds it on a cluster."""

import json
from typing import Any

import pytest
from kubernetes.client.exceptions import ForbiddenException

from tests.e2e.cluster import NAMESPACE, SERVICES, Cluster, port_forward, restart, run, skaffold_run, until
from tests.e2e.polling import get

HELLO = {"status_code": 200, "message": "hello world"}


def get_json(url: str) -> tuple[int, Any]:
    """Return the status and JSON of an answer."""
    answer = get(url)
    return answer.status, answer.content


@pytest.mark.parametrize("service", SERVICES)
def test_port_forward_answers(service: str) -> None:
    with port_forward(f"service/{service}", {"backend": 8080, "client": 8082}[service]) as url:
        assert get_json(url) == (200, HELLO | {"source": service})
        assert get_json(f"{url}/nothing")[0] == 404
        assert "/" in get_json(f"{url}/openapi.json")[1]["paths"]


def test_the_backends_dns_name_works_from_a_client_pod(cluster: Cluster) -> None:
    url = f"http://backend.{NAMESPACE}.svc.cluster.local:8080/"
    output = cluster.read_url(cluster.pods("client")[0].metadata.name, url)
    assert json.loads(output) == HELLO | {"source": "backend"}


def nodes(cluster: Cluster, service: str) -> set[str]:
    return {pod.spec.node_name for pod in cluster.pods(service)}


def test_replicas_are_on_two_nodes_also_after_a_rollout(cluster: Cluster) -> None:
    assert {service: len(nodes(cluster, service)) for service in SERVICES} == {"backend": 2, "client": 2}
    restart(*SERVICES)
    for service in SERVICES:
        assert len(nodes(cluster, service)) == 2, f"{service} Pods share a node"


def test_answers_come_from_more_than_one_backend_pod(cluster: Cluster) -> None:
    with port_forward("service/client", 8082) as url:

        def answered() -> list[int]:
            get_json(f"{url}/?who=me")
            names = [pod.metadata.name for pod in cluster.pods("backend")]
            logs = [cluster.core.read_namespaced_pod_log(name, NAMESPACE) for name in names]
            return [log.count('"parameters":["who"]') for log in logs]

        # Each connection of the client lives for up to 20 s and reaches one Pod.
        until(lambda: all(answered()), "answered by each backend Pod", seconds=180)


def test_a_second_skaffold_run_leaves_every_pod_alone(cluster: Cluster) -> None:
    skaffold_run()
    cluster.settle()
    before = {service: cluster.pod_uids(service) for service in SERVICES}
    skaffold_run()
    cluster.settle()
    assert {service: cluster.pod_uids(service) for service in SERVICES} == before


def test_a_privileged_pod_is_rejected(cluster: Cluster) -> None:
    container = {"name": "app", "image": "client", "securityContext": {"privileged": True}}
    with pytest.raises(ForbiddenException, match=r'violates PodSecurity .*"restricted'):
        cluster.core.create_namespaced_pod(
            NAMESPACE, {"metadata": {"name": "privileged"}, "spec": {"containers": [container]}}
        )


@pytest.mark.parametrize("service", SERVICES)
def test_containers_run_as_a_user_who_can_write_nowhere_but_tmp(cluster: Cluster, service: str) -> None:
    pod = cluster.pods(service)[0].metadata.name
    assert cluster.execute(pod, "id", "-u").strip() == "10001"
    tried = (
        "for d in / /app /app/common /venv /var/tmp /tmp; do touch $d/x 2>/dev/null && echo $d; done; true"
    )
    assert cluster.execute(pod, "sh", "-c", tried).split() == ["/tmp"]
    assert "tmpfs" in cluster.execute(pod, "sh", "-c", "grep ' /tmp ' /proc/mounts")
    assert cluster.execute(pod, "sh", "-c", "ls /var/run/secrets 2>/dev/null || echo none").strip() == "none"


def test_compose_answers() -> None:
    try:
        run("docker", "compose", "up", "--detach", "--wait", timeout=600)
        assert get_json("http://127.0.0.1:8080") == (200, HELLO | {"source": "backend"})
        assert get_json("http://127.0.0.1:8082") == (200, HELLO | {"source": "client"})
        names = run(
            "docker",
            "network",
            "inspect",
            "api-network",
            "-f",
            "{{.Driver}} {{range .Containers}}{{.Name}} {{end}}",
        )
        assert sorted(names.split()) == ["bridge", "flask-backend", "flask-client"]
        run("docker", "compose", "stop", "backend")
        status, answer = get_json("http://127.0.0.1:8082")
        assert (status, answer["exc"], answer["source"]) == (502, "backend unreachable", "client")
    finally:
        run("docker", "compose", "down")
