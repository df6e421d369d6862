"""Run callers in Pods beside the pair."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kubernetes.client.exceptions import ConflictException

from tests.e2e.cluster import NAMESPACE, Cluster, until

CALLER_NAMESPACE = "api-network-e2e"
SCRIPT = (Path(__file__).parent / "lossless_caller.py").read_text()
# A caller that nobody stops ends on its own; a case takes a minute or two (seconds).
MAX_SECONDS = 900
BUSY_KINDS = ("keep-alive", "new connections")
KINDS = ("keep-alive", "idle up to 60 s", "new connections")


@dataclass
class Report:
    """What the callers in a Pod printed, once they have stopped: a summary and failures as they happened."""

    name: str
    summary: dict[str, Any] = field(default_factory=dict)
    log: str = ""


SomeReport = TypeVar("SomeReport", bound=Report)


class Calls(Report):
    """The report of the lossless caller."""

    @property
    def requests(self) -> int:
        """The number of all requests."""
        return sum(int(self.summary[kind]["requests"]) for kind in KINDS)

    def failures(self) -> dict[str, int]:
        """Return the number of failed requests, by kind of caller and what went wrong."""
        return {f"{kind}: {what}": n for kind in KINDS for what, n in self.summary[kind]["failures"].items()}


@contextmanager
def calling(
    cluster: Cluster,
    name: str,
    min_requests: int,
    *,
    connections: int = 16,
    idle_connections: int = 0,
    rate: float = 100,
    post: str = "",
) -> Iterator[Calls]:
    """Call the client from a Pod while the block runs, and until each busy kind made min_requests.

    With `post`, a path, each request is a POST of a number of its own.
    """
    arguments = [
        f"client.{NAMESPACE}",
        "8082",
        f"--post={post}",
        f"--connections={connections}",
        f"--idle-connections={idle_connections}",
        f"--rate={rate}",
        f"--min-requests={min_requests}",
        f"--max-seconds={MAX_SECONDS}",
    ]
    with reporting(cluster, Calls(name), SCRIPT, *arguments, max_seconds=MAX_SECONDS) as calls:
        yield calls


@contextmanager
def reporting(
    cluster: Cluster, report: SomeReport, script: str, *arguments: str, max_seconds: float
) -> Iterator[SomeReport]:
    """Run a script in a Pod while the block runs, tell it to stop, and fill in its report.

    Once /tmp/stop exists, the script has max_seconds to print a summary, an object of JSON, and to exit.
    """
    pod = re.sub("[^a-z0-9]+", "-", report.name.lower())
    create_pod(cluster, pod, ["python", "-c", script, *arguments])
    try:
        until(lambda: phase(cluster, pod) == "Running", f"running: the caller of {report.name}")
        yield report
        cluster.execute(pod, "touch", "/tmp/stop", namespace=CALLER_NAMESPACE)
        until(
            lambda: phase(cluster, pod) in ("Succeeded", "Failed"),
            f"done: the caller of {report.name}",
            max_seconds,
        )
        report.log = cluster.core.read_namespaced_pod_log(pod, CALLER_NAMESPACE)
        assert phase(cluster, pod) == "Succeeded", report.log
    finally:
        cluster.core.delete_namespaced_pod(pod, CALLER_NAMESPACE, grace_period_seconds=0)
    # Not always the last line: the log is of stdout and stderr, whose order is lost on the way.
    summaries = [line for line in report.log.splitlines() if line.startswith("{")]
    assert len(summaries) == 1, report.log
    report.summary = json.loads(summaries[0])


def create_pod(
    cluster: Cluster,
    name: str,
    command: list[str],
    labels: dict[str, str] | None = None,
    namespace: str = CALLER_NAMESPACE,
) -> None:
    """Start a Pod from the client's image, on the control plane, the one node that no test drains."""
    node = (
        cluster.core.list_node(label_selector="node-role.kubernetes.io/control-plane").items[0].metadata.name
    )
    container = {
        "name": "app",
        "image": cluster.container("client").image,
        "command": command,
        "imagePullPolicy": "Never",
        "ports": [{"name": "http", "containerPort": 8080}],  # of a Pod that stands in for the backend
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    cluster.core.create_namespaced_pod(
        namespace,
        {
            "metadata": {"name": name, "labels": labels or {"app": "caller"}},
            "spec": {
                "containers": [container],
                "restartPolicy": "Never",
                "nodeName": node,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 1,
            },
        },
    )


def phase(cluster: Cluster, pod: str) -> str:
    """Return Pending, Running, Succeeded or Failed."""
    return str(cluster.core.read_namespaced_pod_status(pod, CALLER_NAMESPACE).status.phase)


def make_namespace(cluster: Cluster) -> None:
    """Make an empty namespace for callers; in the pair's own, NetworkPolicies would block them."""
    try:
        cluster.core.create_namespace({"metadata": {"name": CALLER_NAMESPACE}})
    except ConflictException:  # of an earlier run
        cluster.core.delete_collection_namespaced_pod(CALLER_NAMESPACE, grace_period_seconds=0)
        until(lambda: not cluster.core.list_namespaced_pod(CALLER_NAMESPACE).items, "gone: earlier callers")
