"""The backend changes how it answers; the client never notices."""

import time

import pytest

from tests.e2e import measurements
from tests.e2e.caller_pod import calling
from tests.e2e.cluster import NAMESPACE, Cluster, port_forward, skaffold_run, until
from tests.e2e.polling import get, polling

MIN_REQUESTS = 5_000
ASKED = {
    "database": "time_zones?latitude__gt=60&sort=-latitude",
    "postgres": "orders?price__gt=60&sort=-price",
}

pytestmark = [pytest.mark.full, pytest.mark.usefixtures("images")]


def deploy(cluster: Cluster, *arguments: str) -> None:
    skaffold_run(*arguments)
    cluster.settle()


def test_the_logic_changes_and_neither_a_request_nor_a_client_pod_is_lost(cluster: Cluster) -> None:
    deploy(cluster)
    client, backend = cluster.pod_uids("client"), cluster.pod_uids("backend")
    with calling(cluster, "hello, database, PostgreSQL, hello", MIN_REQUESTS) as calls:
        for profile, asked in ASKED.items():
            deploy(cluster, "--profile", profile)
            with port_forward("service/client", 8082) as url:
                answer = get(f"{url}/{asked}&limit=1")
                described = get(f"{url}/openapi.json").content["paths"]
            assert (answer.status, len(answer.content["rows"])) == (200, 1), answer
            assert f"/{asked.partition('?')[0]}" in described, "of the logic that runs now"
        deploy(cluster)
    measurements.cases.append(calls)
    assert calls.failures() == {}, calls.log
    assert cluster.pod_uids("client") == client
    assert not cluster.pod_uids("backend") & backend


def test_of_the_databases_secret_only_url_and_tables_reach_the_backend(cluster: Cluster) -> None:
    deploy(cluster, "--profile", "postgres")
    secret = cluster.core.read_namespaced_secret("database", NAMESPACE).data
    env = cluster.execute(cluster.pods("backend")[0].metadata.name, "env")
    names = {line.partition("=")[0] for line in env.splitlines()}
    assert secret.keys() == {"DATABASE_URL", "DATABASE_TABLES", "POSTGRES_PASSWORD"}
    assert names & secret.keys() == {"DATABASE_URL", "DATABASE_TABLES"}


def test_a_killed_database_causes_503s_until_it_is_back(cluster: Cluster) -> None:
    deploy(cluster, "--profile", "postgres")
    with port_forward("service/client", 8082) as url, polling(f"{url}/orders?limit=1") as answers:
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
