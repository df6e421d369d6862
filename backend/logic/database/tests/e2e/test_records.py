"""A POST is executed once, and a transaction as a whole, whatever comes and goes while it is on its way."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.e2e import measurements
from tests.e2e.cluster import NAMESPACE, SERVICES, Cluster, port_forward, restart, run, skaffold_run
from tests.e2e.nothing_lost import nothing_lost
from tests.e2e.polling import post

IMAGE = "backend-records:e2e"
# Fewer callers than elsewhere: what they post goes to the disk, which the whole cluster shares.
CALLERS: dict[str, Any] = {"post": "/records", "connections": 8, "rate": 20}

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture(scope="module", autouse=True)
def _records(cluster: Cluster) -> None:
    """Deploy a backend that records what is posted, from an image of its own."""
    skaffold_run("--profile", "postgres")
    # A number may be in it twice, so that a POST that is executed twice shows.
    sql(cluster, "CREATE TABLE IF NOT EXISTS records (number integer NOT NULL)")
    base = f"BASE={cluster.container('backend').image}"
    run("docker", "build", "--build-arg", base, "--tag", IMAGE, str(Path(__file__).parent / "records"))
    run("kind", "load", "docker-image", IMAGE, "--name", "api-network")
    cluster.patch_container("backend", image=IMAGE, env=[{"name": "LOGIC", "value": "records:make"}])
    cluster.settle()


@pytest.fixture(autouse=True)
def _no_records(cluster: Cluster) -> None:
    sql(cluster, "TRUNCATE records")


def sql(cluster: Cluster, command: str) -> str:
    """Run a command in the database and return its output."""
    psql = ("psql", "--username=backend", "--no-align", "--tuples-only")
    return cluster.execute("postgres-0", *psql, f"--command={command}")


def recorded(cluster: Cluster) -> list[int]:
    """Return how many records there are, of how many numbers, and the least and the greatest number."""
    counts = "SELECT count(*), count(DISTINCT number), min(number), max(number) FROM records"
    return [int(each) for each in sql(cluster, counts).strip().split("|")]


def test_each_post_is_recorded_once_through_a_rollout_of_the_backend(cluster: Cluster) -> None:
    with nothing_lost(cluster, "POSTs, roll-out of backend, quick", 250, 0, **CALLERS) as calls:
        restart("backend")

    assert recorded(cluster) == [calls.requests, calls.requests, 1, calls.requests]


@pytest.mark.full
def test_each_of_10000_posts_is_recorded_once_whatever_comes_and_goes(cluster: Cluster) -> None:
    [database] = cluster.core.list_namespaced_pod(NAMESPACE, label_selector="app=postgres").items
    [node] = {pod.spec.node_name for pod in cluster.pods("backend")} - {database.spec.node_name}
    case = "POSTs, roll-outs, deleted Pods, a drained node"
    with nothing_lost(cluster, case, 5_000, **CALLERS) as calls:
        for service in SERVICES:
            restart(service)
        for service in SERVICES:
            cluster.core.delete_namespaced_pod(cluster.pods(service)[0].metadata.name, NAMESPACE)
            cluster.settle()
        with cluster.drained(node):
            cluster.settle()

    assert recorded(cluster) == [calls.requests, calls.requests, 1, calls.requests]
    measurements.notes[case] = f"{calls.requests:,} records, each POST's once"


@pytest.mark.full
def test_10_killed_pods_leave_no_half_of_a_transaction(cluster: Cluster) -> None:
    numbers, over = count(1), Event()

    def post_until_over(url: str) -> Counter[int]:
        statuses: Counter[int] = Counter()
        while not over.is_set():
            statuses[post(url, {"number": next(numbers)}).status] += 1
        return statuses

    with port_forward("service/client", 8082) as url, ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(post_until_over, f"{url}/pairs") for _ in range(8)]
        try:
            for _ in range(10):
                victim = cluster.pods("backend")[0].metadata.name
                cluster.core.delete_namespaced_pod(victim, NAMESPACE, grace_period_seconds=0)
                cluster.settle()
        finally:
            over.set()
        statuses = sum((each.result() for each in calls), Counter())

    halves = "SELECT FROM records GROUP BY number HAVING count(*) <> 2"
    assert sql(cluster, f"SELECT count(*) FROM ({halves}) AS halves").strip() == "0"
    assert recorded(cluster)[1] >= statuses[201]
    assert statuses.total() > statuses[201], "expected that Pods were killed in the midst of transactions"
    measurements.notes["transactions while 10 Pods are killed"] = (
        f"{statuses[201]:,} committed, {statuses.total() - statuses[201]} without an answer, none by halves"
    )
