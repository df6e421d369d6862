"""The backend changes how it answers; the client never notices."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import measurements
from tests.e2e.caller_pod import calling
from tests.e2e.cluster import NAMESPACE, ROOT, Cluster, kubectl, port_forward, run, until
from tests.e2e.polling import get, polling

MIN_REQUESTS = 5_000

pytestmark = pytest.mark.full


def overlay(folder: Path, name: str, *skaffold: str) -> Path:
    """An overlay of the project with the images that skaffold builds for it, on the cluster's nodes."""
    builds = json.loads(run("skaffold", "build", "--quiet", *skaffold, timeout=600))["builds"]
    tags = {build["imageName"]: build["tag"].split(":")[-1] for build in builds}
    for image, tag in tags.items():
        run("kind", "load", "docker-image", f"{image}:{tag}", "--name", "api-network", timeout=300)
    path = folder / name
    path.mkdir()
    images = [{"name": image, "newTag": tag} for image, tag in tags.items()]
    base = os.path.relpath(ROOT / "k8s" / name, path.resolve())
    (path / "kustomization.yaml").write_text(json.dumps({"resources": [base], "images": images}))
    return path


@pytest.fixture(scope="module")
def overlays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The pair with `hello` and with `database` on PostgreSQL; as `skaffold run` leaves it afterwards."""
    folder = tmp_path_factory.mktemp("overlays")
    # From this machine, so that the nodes need not reach a registry.
    if not run("docker", "image", "ls", "--quiet", "postgres:18").strip():
        run("docker", "pull", "postgres:18", timeout=600)
    run("kind", "load", "docker-image", "postgres:18", "--name", "api-network", timeout=300)
    try:
        yield {
            "base": overlay(folder, "base"),
            "postgres": overlay(folder, "postgres", "--profile", "postgres"),
        }
    finally:
        kubectl("delete", "statefulset,service,networkpolicy", "postgres", "--ignore-not-found")
        kubectl("delete", "persistentvolumeclaim", "--selector", "app=postgres")
        kubectl("delete", "networkpolicy", "backend-database", "backend-dns", "--ignore-not-found")
        kubectl("delete", "secret", "database", "--ignore-not-found")
        run("skaffold", "run", timeout=600)


def apply(cluster: Cluster, path: Path) -> None:
    kubectl("apply", "--kustomize", str(path))
    cluster.settle()


def client_pods(cluster: Cluster) -> set[tuple[str, str]]:
    """Return what a roll-out of the client would change."""
    return {(pod.metadata.uid, pod.status.container_statuses[0].image_id) for pod in cluster.pods("client")}


def test_the_logic_changes_from_hello_to_database_and_back_and_no_request_fails(
    cluster: Cluster, overlays: dict[str, Path]
) -> None:
    apply(cluster, overlays["base"])  # without skaffold's own labels
    before = client_pods(cluster)
    with calling(cluster, "hello, database, hello", MIN_REQUESTS) as calls:
        apply(cluster, overlays["postgres"])
        with port_forward("service/client", 8082) as url:
            answer = get(f"{url}/?latitude__gt=60&sort=-latitude&limit=1")
        apply(cluster, overlays["base"])
    measurements.cases.append(calls)
    assert (answer.status, len(answer.content["rows"])) == (200, 1), answer
    assert calls.failures() == {}, calls.log
    assert client_pods(cluster) == before


def test_a_killed_database_gives_503s_until_it_is_back(cluster: Cluster, overlays: dict[str, Path]) -> None:
    apply(cluster, overlays["postgres"])
    with port_forward("service/client", 8082) as url, polling(f"{url}/?limit=1") as answers:
        until(lambda: answers and answers[-1].status == 200, "answered from the database")
        cluster.core.delete_namespaced_pod("postgres-0", NAMESPACE, grace_period_seconds=0)
        until(lambda: answers[-1].status == 503, "a 503", 30, pause=0.02)
        until(lambda: database_ready(cluster), "ready: the database", 120, pause=0.05)
        ready = time.monotonic()
        until(lambda: answers[-1].status == 200 and answers[-1].sent_at > ready, "back", 30, pause=0.02)
        back = time.monotonic() - ready
        restarts = [s.restart_count for pod in cluster.pods("backend") for s in pod.status.container_statuses]
    refused = [answer for answer in answers if answer.status != 200]
    slowest = max(answer.seconds for answer in refused)
    measurements.notes["PostgreSQL killed under load"] = (
        f"{len(refused)} answers of 503, the slowest after {slowest:.2f} s; "
        f"back {back:.2f} s after it is ready"
    )
    assert {answer.status for answer in answers} == {200, 503}
    assert slowest < 2.5
    assert back < 5
    assert restarts == [0, 0]


def database_ready(cluster: Cluster) -> bool:
    pods = cluster.core.list_namespaced_pod(NAMESPACE, label_selector="app=postgres").items
    return any(
        s.ready
        for pod in pods
        if not pod.metadata.deletion_timestamp
        for s in pod.status.container_statuses or []
    )
