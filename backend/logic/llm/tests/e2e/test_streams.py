"""Streams of the model to try things out with, while Pods come and go."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import measurements
from tests.e2e.caller_pod import Report, reporting
from tests.e2e.cluster import NAMESPACE, SERVICES, Cluster, kubectl, restart, skaffold_run

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
    client = f"http://client.{NAMESPACE}:8082/"
    with reporting(cluster, Report("model"), SCRIPT, client, *sizes, max_seconds=MAX_SECONDS) as report:
        for service in reversed(SERVICES):
            restart(service)
        cluster.settle()
    failures, finished = report.summary["failures"], report.summary["streams"]
    measurements.notes["a model's streams through roll-outs of the client and of the backend"] = (
        f"{finished} streams of 16 tokens, {AT_ONCE} at once; broken: {sum(failures.values())}"
    )
    assert failures == {}, report.log
    assert finished >= STREAMS
