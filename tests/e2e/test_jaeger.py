"""A Jaeger in the cluster shows each request as a trace through both services."""

import random
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.e2e import measurements
from tests.e2e.cluster import SERVICES, Cluster, kubectl, port_forward, restart, skaffold_run, until
from tests.e2e.nothing_lost import nothing_lost
from tests.e2e.tools import json_of, load_image, pod, tool

IMAGE = "jaegertracing/all-in-one:1.76.0"
NAMESPACE = "tracing"

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def jaeger(cluster: Cluster) -> Iterator[str]:
    load_image(IMAGE)
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "collector", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "tool"}, "ports": [{"port": 4318}]},
    }
    it = pod(IMAGE, {"path": "/", "port": 14269})
    it["metadata"]["namespace"] = NAMESPACE
    with tool(cluster, NAMESPACE, {"traces": "collect"}, [service, it], 16686) as url:
        skaffold_run("--profile", "tracing")
        try:
            yield url
        finally:
            skaffold_run()
            kubectl("delete", "networkpolicy", "traces")


def traced(url: str) -> tuple[str, int]:
    """Make a call that is to be traced; return its trace id and the answer's status."""
    trace_id = f"{random.getrandbits(128):032x}"
    request = urllib.request.Request(
        url, headers={"traceparent": f"00-{trace_id}-{random.getrandbits(64) | 1:016x}-01"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return trace_id, answer.status
    except urllib.error.HTTPError as error:
        return trace_id, error.code


def spans(jaeger: str, trace_id: str) -> list[dict[str, Any]]:
    """Return the spans of a trace that Jaeger has, each with its service, tags and parent, as they began."""
    try:
        [trace] = json_of(f"{jaeger}/api/traces/{trace_id}")["data"]
    except urllib.error.HTTPError:  # not there yet
        return []
    for span in trace["spans"]:
        span["service"] = trace["processes"][span["processID"]]["serviceName"]
        span["tags"] = {tag["key"]: tag["value"] for tag in span["tags"]}
        [span["parent"]] = [each["spanID"] for each in span["references"]]
    return sorted(trace["spans"], key=lambda span: span["startTime"])


def has_spans(jaeger: str, trace_id: str, number: int) -> bool:
    return len(spans(jaeger, trace_id)) >= number


def test_each_call_is_a_trace_of_the_client_the_call_and_the_backend(cluster: Cluster, jaeger: str) -> None:
    cluster.settle()
    with port_forward("service/client", 8082) as url:
        calls = [traced(url) for _ in range(100)]

    assert {status for _, status in calls} == {200}
    for trace_id, _ in calls:
        until(partial(has_spans, jaeger, trace_id, 3), f"three spans of {trace_id}", 30)
        ours, call, theirs = spans(jaeger, trace_id)
        kinds = [
            (each["service"], each["operationName"], each["tags"]["span.kind"])
            for each in (ours, call, theirs)
        ]
        assert kinds == [
            ("client", "GET /", "server"),
            ("client", "GET", "client"),
            ("backend", "GET /", "server"),
        ]
        assert (call["parent"], theirs["parent"]) == (ours["spanID"], call["spanID"])
    measurements.notes["100 traced calls in Jaeger"] = "each has its three spans, rightly nested"


def test_a_rollout_loses_nothing_while_traces_are_sent(cluster: Cluster, jaeger: str) -> None:
    cluster.settle()
    with nothing_lost(cluster, "roll-out of backend and client, one call in ten traced"):
        restart(*SERVICES)

    for service in SERVICES:
        newest = json_of(f"{jaeger}/api/traces", service=service, limit="100")["data"]
        assert len(newest) == 100, f"traces of {service}"


def test_a_call_that_is_tried_again_shows_each_try(cluster: Cluster, jaeger: str) -> None:
    cluster.scale("backend", 0)
    try:
        until(lambda: not cluster.pods("backend"), "away: the backend")
        with port_forward("service/client", 8082) as url:
            until(lambda: traced(url)[1] == 502, "a 502")
            trace_id, _ = traced(url)
    finally:
        cluster.scale("backend", 2)
    until(partial(has_spans, jaeger, trace_id, 3), f"spans of {trace_id}", 30)
    ours, *tries = spans(jaeger, trace_id)
    assert all(each["parent"] == ours["spanID"] for each in tries)
    assert [each["tags"].get("http.request.resend_count", 0) for each in tries] == list(range(len(tries)))
    assert all(each["tags"]["error"] for each in (ours, *tries))
