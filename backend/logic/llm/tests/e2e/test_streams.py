"""Streams of the model to try things out with, while Pods come and go."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import measurements
from tests.e2e.caller_pod import CALLER_NAMESPACE, create_pod, phase
from tests.e2e.cluster import NAMESPACE, SERVICES, Cluster, kubectl, skaffold_run, until

SCRIPT = (Path(__file__).parent / "model_caller.py").read_text()
STREAMS, AT_ONCE = 300, 4
# A caller that nobody stops ends on its own; on a busy machine the model takes its time (seconds).
MAX_SECONDS = 1500

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]


@pytest.fixture
def model() -> Iterator[None]:
    """Deploy the model; afterwards the cluster is as `skaffold run` leaves it."""
    try:
        skaffold_run("--profile", "llm-tryout")
        yield
    finally:
        skaffold_run()
        kubectl("delete", "deployment,service,networkpolicy", "model", "--ignore-not-found")
        kubectl("delete", "networkpolicy", "backend-llm", "backend-dns", "--ignore-not-found")


@pytest.mark.usefixtures("model")
def test_no_stream_of_the_model_breaks_through_roll_outs(cluster: Cluster) -> None:
    cluster.settle()
    sizes = (f"--at-once={AT_ONCE}", f"--min-streams={STREAMS}", f"--max-seconds={MAX_SECONDS}")
    create_pod(cluster, "model", ["python", "-c", SCRIPT, f"http://client.{NAMESPACE}:8082/", *sizes])
    until(lambda: phase(cluster, "model") == "Running", "running: the caller")
    try:
        for service in reversed(SERVICES):
            kubectl("rollout", "restart", f"deployment/{service}")
            kubectl("rollout", "status", f"deployment/{service}", "--timeout=300s")
        cluster.settle()
        cluster.execute("model", "touch", "/tmp/stop", namespace=CALLER_NAMESPACE)
        until(lambda: phase(cluster, "model") in ("Succeeded", "Failed"), "done: the caller", MAX_SECONDS)
        log = cluster.core.read_namespaced_pod_log("model", CALLER_NAMESPACE)
        assert phase(cluster, "model") == "Succeeded", log
    finally:
        cluster.core.delete_namespaced_pod("model", CALLER_NAMESPACE, grace_period_seconds=0)
    summary = json.loads(log.splitlines()[-1])
    measurements.notes["a model's streams through roll-outs of the client and of the backend"] = (
        f"{summary['streams']} streams of 16 tokens, {AT_ONCE} at once; broken: "
        f"{sum(summary['failures'].values())}"
    )
    assert summary["failures"] == {}, log
    assert summary["streams"] >= STREAMS
