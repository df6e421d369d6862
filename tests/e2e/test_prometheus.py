"""A Prometheus in the cluster counts what callers count, and its rules and the dashboard have data."""

import re
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.e2e.caller_pod import CALLER_NAMESPACE, calling, create_pod, phase
from tests.e2e.cluster import ROOT, SERVICES, Cluster, port_forward, restart, skaffold_run, until
from tests.e2e.test_network_policy import reached
from tests.e2e.tools import json_of, load_image, pod, tool
from tests.monitoring import queries

IMAGE = "prom/prometheus:debian"
NAMESPACE = "monitoring"
# Like the README's, but for tests that cannot wait.
FAST = "global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [/etc/pair/alerts.yaml]\n"
COUNT = "http_server_request_duration_seconds_count"
# Queries that find nothing although all is well, and why.
EMPTY = {
    "Refusing (alert)": "nothing is refused but what is malformed",
    "NotScraped (alert)": "all are scraped",
}


class Prometheus:
    """Prometheus's API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the series that a query finds."""
        result: list[dict[str, Any]] = json_of(f"{self.url}/api/v1/query", query=expr)["data"]["result"]
        return result

    def value(self, expr: str) -> float:
        """Return the value of a query that finds one series, 0 if it finds none."""
        values = [float(each["value"][1]) for each in self.query(expr)]
        assert len(values) <= 1, values
        return sum(values)

    def counted(self, metric: str) -> float:
        """Return what was ever counted, also in Pods that have gone."""
        return self.value(f"sum(max_over_time({metric}[1h]))")

    def has_counted(self, metric: str, number: float) -> bool:
        """Return whether exactly so many were counted."""
        return self.counted(metric) == number

    def scrapes(self, pods: int) -> bool:
        """Return whether so many Pods are scraped, and no other."""
        return [each["value"][1] for each in self.query('up{app=~"backend|client"}')] == pods * ["1"]


@pytest.fixture(scope="module")
def prometheus(cluster: Cluster) -> Iterator[Prometheus]:
    load_image(IMAGE)
    folder = ROOT / "k8s" / "monitoring"
    config = FAST + (folder / "scrape.yaml").read_text().replace(
        "scrape_interval: 15s", "scrape_interval: 1s"
    )
    files = {"prometheus.yaml": config, "alerts.yaml": (folder / "alerts.yaml").read_text()}
    role = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    mounted = {
        "volumeMounts": [{"name": "files", "mountPath": "/etc/pair"}, {"name": "data", "mountPath": "/data"}]
    }
    arguments = ("--config.file=/etc/pair/prometheus.yaml", "--storage.tsdb.path=/data")
    volumes = [{"name": "files", "configMap": {"name": "files"}}, {"name": "data", "emptyDir": {}}]
    manifest: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "files", "namespace": NAMESPACE},
            "data": files,
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "lists-pods"},
            "rules": [role],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "lists-pods"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "lists-pods"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": NAMESPACE}],
        },
        pod(IMAGE, {"path": "/-/ready", "port": 9090}, *arguments, container=mounted, volumes=volumes),
    ]
    manifest[-1]["metadata"]["namespace"] = NAMESPACE
    skaffold_run("--profile", "metrics")
    try:
        with tool(cluster, NAMESPACE, {"metrics": "scrape"}, manifest, 9090) as url:
            it = Prometheus(url)
            until(lambda: it.scrapes(4), "scraped: all Pods")
            yield it
    finally:
        skaffold_run()


def test_it_reaches_the_metrics_and_a_pod_of_another_namespace_does_not(
    cluster: Cluster, prometheus: Prometheus
) -> None:
    assert prometheus.scrapes(4)
    create_pod(cluster, "another", ["sleep", "300"])
    until(lambda: phase(cluster, "another") == "Running", "running: another Pod")
    pods = [each for app in SERVICES for each in cluster.pods(app)]

    found = reached(cluster, "another", CALLER_NAMESPACE, *(f"{each.status.pod_ip}:9464" for each in pods))

    assert not any(found.values()), found


def test_it_counts_what_callers_count_through_a_roll_out(cluster: Cluster, prometheus: Prometheus) -> None:
    ours, theirs = f'{COUNT}{{app="client"}}', f'{COUNT}{{app="backend"}}'
    before = {metric: prometheus.counted(metric) for metric in (ours, theirs)}

    with calling(cluster, "counted", 100, connections=4, rate=10) as calls:
        restart(*SERVICES)
        cluster.settle()

    assert calls.failures() == {}
    for metric in (ours, theirs):
        until(
            partial(prometheus.has_counted, metric, before[metric] + calls.requests), f"counted: {metric}", 30
        )


def test_an_outage_fires_and_every_query_finds_something(cluster: Cluster, prometheus: Prometheus) -> None:
    firing = 'sum(ALERTS{alertname="ErrorsBurnFast",alertstate="firing",app="client"})'
    assert prometheus.value(firing) == 0
    cluster.scale("backend", 0)
    try:
        with calling(cluster, "outage", 20, connections=4, rate=20):
            until(lambda: prometheus.value(firing) == 1, "an alert")
    finally:
        cluster.scale("backend", 2)
    cluster.settle()
    until(lambda: prometheus.scrapes(4), "scraped: all Pods")
    with calling(cluster, "back", 20, connections=2, rate=10), port_forward("service/client", 8082) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as caller:
            caller.sendall(b"nonsense\r\n\r\n")
            assert b"400" in caller.recv(1000)
        for query in queries():
            if query.title in EMPTY:
                assert prometheus.query(query.expr) == [], query
                continue
            expr = re.sub(r" > [\d.]+", "", query.expr)  # whether or not an alert fires
            until(partial(prometheus.query, expr), f"data: {query.title}", 20)
