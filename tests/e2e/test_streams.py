"""Streams while Pods come and go: none breaks, and one that must says so."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from kubernetes.client.exceptions import ConflictException

from tests.e2e import measurements
from tests.e2e.caller_pod import Report, reporting
from tests.e2e.cluster import NAMESPACE, SERVICES, Cluster, kubectl, port_forward, restart

LOGIC = """
import os
import time


def answer(query):
    for number in range(int(query["events"])):
        yield {"number": number, "pod": os.uname().nodename}
        time.sleep(float(query["every"]))
    yield {}
"""
SCRIPT = (Path(__file__).parent / "stream_caller.py").read_text()
# A caller that nobody stops ends on its own (seconds).
MAX_SECONDS = 1200


@pytest.fixture(scope="module")
def streaming(cluster: Cluster) -> Iterator[None]:
    """Let the backend stream, with a logic that is mounted into its Pods."""
    cluster.settle()
    config = {"metadata": {"name": "streaming"}, "data": {"streaming.py": LOGIC}}
    with_config = {"name": "logic", "configMap": {"name": "streaming"}}
    with suppress(ConflictException):  # it is there from an earlier run
        cluster.core.create_namespaced_config_map(NAMESPACE, config)
    env = [{"name": "LOGIC", "value": "streaming:answer"}, {"name": "PYTHONPATH", "value": "/logic"}]
    change(cluster, with_config, env, {"mountPath": "/logic", "name": "logic"})
    try:
        cluster.settle()
        yield
    finally:
        undone = [{"name": each["name"], "$patch": "delete"} for each in env]
        change(
            cluster,
            {"name": "logic", "$patch": "delete"},
            undone,
            {"mountPath": "/logic", "$patch": "delete"},
        )
        cluster.settle()
        cluster.core.delete_namespaced_config_map("streaming", NAMESPACE)


def change(cluster: Cluster, volume: Any, env: Any, mount: Any) -> None:
    """Change a volume, the environment and a mount of the backend's Pods."""
    container = {"name": "app", "env": env, "volumeMounts": [mount]}
    pod = {"spec": {"volumes": [volume], "containers": [container]}}
    cluster.apps.patch_namespaced_deployment("backend", NAMESPACE, {"spec": {"template": pod}})


@contextmanager
def no_stream_breaks(cluster: Cluster, case: str, streams: int, events: int) -> Iterator[None]:
    """Keep streams of an event a second open while the block runs and until old Pods are gone."""
    options = (f"--streams={streams}", f"--events={events}", "--every=1", f"--max-seconds={MAX_SECONDS}")
    client = (f"client.{NAMESPACE}", "8082")
    with reporting(cluster, Report(case), SCRIPT, *client, *options, max_seconds=120) as report:
        yield
        cluster.settle()
    failures, finished = report.summary["failures"], report.summary["streams"]
    measurements.notes[case] = (
        f"{finished} streams of {events} s, {streams} at once; broken: {sum(failures.values())}"
    )
    assert failures == {}, report.log
    assert finished >= streams


@pytest.mark.usefixtures("streaming")
def test_a_stream_whose_backend_pod_is_killed_ends_with_failed(cluster: Cluster) -> None:
    with port_forward("service/client", 8082) as url:
        request = Request(f"{url}/?events=60&every=1", headers={"Accept": "text/event-stream"})
        with urlopen(request, timeout=60) as answer:
            first = json.loads(answer.readline().decode().removeprefix("data: "))
            cluster.core.delete_namespaced_pod(first["pod"], NAMESPACE, grace_period_seconds=0)
            *_, name, data, _ = answer.read().decode().splitlines()

    failed = json.loads(data.removeprefix("data: "))
    assert re.fullmatch("[0-9a-f]{32}", failed.pop("trace_id"))
    expected = {"status_code": 502, "exc": "backend broke off its answer", "source": "client"}
    assert (name, failed) == ("event: failed", expected)


@pytest.mark.full
@pytest.mark.usefixtures("streaming")
def test_no_stream_of_20_s_breaks_while_pods_are_replaced(cluster: Cluster) -> None:
    with no_stream_breaks(cluster, "streams through roll-outs of both services", streams=300, events=20):
        restart("backend")
        restart("client")
    with no_stream_breaks(cluster, "streams while a Pod of each service is deleted", streams=300, events=20):
        for service in SERVICES:
            cluster.core.delete_namespaced_pod(cluster.pods(service)[0].metadata.name, NAMESPACE)


@pytest.mark.full
@pytest.mark.usefixtures("streaming")
def test_no_stream_of_20_s_breaks_while_a_node_is_drained(cluster: Cluster) -> None:
    node = cluster.pods("backend")[0].spec.node_name
    try:
        with no_stream_breaks(cluster, "streams while a node is drained", streams=300, events=20):
            kubectl(
                "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=400s", timeout=420
            )
    finally:
        kubectl("uncordon", node)
        restart(*SERVICES)  # onto two nodes again
