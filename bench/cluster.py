"""`make bench-cluster`: measure what the pair costs on Kubernetes, on the kind cluster.

Writes cluster.md and cluster.json to bench/results/.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import watch

from bench.cluster_report import CPU_LIMIT, tables
from bench.edits import edits
from bench.machine import hardware
from tests.e2e.caller_pod import CALLER_NAMESPACE, create_pod, make_namespace, phase
from tests.e2e.cluster import NAMESPACE, ROOT, SERVICES, Cluster, kubectl, until

CALLER = (ROOT / "bench/throughput_caller.py").read_text()
# For each Pod of the client; a Service spreads connections at random, and every Pod must have enough.
CONNECTIONS = 16


def measure_throughput(cluster: Cluster, connections: int, seconds: int) -> dict[str, float]:
    """Keep connections to the client busy and return what bench/throughput_caller.py prints, run in a Pod."""
    command = ["python", "-c", CALLER, f"client.{NAMESPACE}", "8082", str(connections), str(seconds)]
    create_pod(cluster, "bench", command)
    try:
        until(lambda: phase(cluster, "bench") in ("Succeeded", "Failed"), "done: the caller", seconds + 60)
        log = cluster.core.read_namespaced_pod_log("bench", CALLER_NAMESPACE, _preload_content=False)
        text = log.data.decode()
        if phase(cluster, "bench") == "Failed":
            raise SystemExit(f"the caller failed:\n{text}")
        figures: dict[str, float] = json.loads(text)
        return figures
    finally:
        cluster.core.delete_namespaced_pod("bench", CALLER_NAMESPACE, grace_period_seconds=0)
        until(lambda: not cluster.core.list_namespaced_pod(CALLER_NAMESPACE).items, "gone: the caller")


def created_to_ready(cluster: Cluster, app: str) -> float:
    """Delete a Pod and return the seconds from its replacement's creation to Ready, as seen by a watch."""
    cluster.settle()
    label = f"app={app}"
    before = cluster.core.list_namespaced_pod(NAMESPACE, label_selector=label)
    known = {pod.metadata.name for pod in before.items}
    cluster.core.delete_namespaced_pod(min(known), NAMESPACE, grace_period_seconds=0)
    created = 0.0
    for event in watch.Watch().stream(  # type: ignore[no-untyped-call]
        cluster.core.list_namespaced_pod,
        NAMESPACE,
        label_selector=label,
        resource_version=before.metadata.resource_version,
        timeout_seconds=60,
    ):
        pod = event["object"]
        if pod.metadata.name in known:
            continue
        created = created or time.monotonic()
        if any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions or []):
            return time.monotonic() - created
    raise SystemExit(f"the new Pod of the {app} was not ready within 60 s")


def working_sets(cluster: Cluster, app: str, since: datetime) -> list[float]:
    """Return the working sets of the Pods in bytes, from the kubelets' first reading after `since`."""
    found: dict[str, float] = {}
    wanted = {pod.metadata.name: pod.spec.node_name for pod in cluster.pods(app)}

    def measured() -> bool:
        for node in set(wanted.values()):
            summary = json.loads(kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
            for pod in summary["pods"]:
                memory = pod.get("memory", {})
                new = memory and datetime.fromisoformat(memory["time"]) > since
                if pod["podRef"]["name"] in wanted and new:
                    found[pod["podRef"]["name"]] = memory["workingSetBytes"]
        return len(found) == len(wanted)

    until(measured, f"measured by the kubelet: memory of the {app}", 120, pause=1)
    return list(found.values())


def memory(cluster: Cluster, seconds: int) -> dict[str, dict[str, list[float]]]:
    """Return working sets of new Pods that have answered a few requests, and of Pods after HTTP load."""
    kubectl("rollout", "restart", *(f"deployment/{app}" for app in SERVICES))
    cluster.settle()
    measure_throughput(cluster, 2 * CONNECTIONS, 1)
    now = datetime.now(UTC)
    figures = {app: {"idle": working_sets(cluster, app, now)} for app in SERVICES}
    measure_throughput(cluster, 64, seconds)
    now = datetime.now(UTC)
    for app in SERVICES:
        figures[app]["after load"] = working_sets(cluster, app, now)
    return figures


@contextmanager
def cpu_limited(cluster: Cluster) -> Iterator[None]:
    """Limit the CPU of each Pod of the pair while the block runs."""
    for app in SERVICES:
        cluster.patch_container(app, resources={"limits": {"cpu": CPU_LIMIT}})
    try:
        yield
    finally:
        for app in SERVICES:
            cluster.patch_container(app, resources={"limits": {"cpu": None}})
            cluster.scale(app, 2)
        cluster.settle()


def cpu_times() -> tuple[int, int]:
    """Return the machine's CPU time so far, and how much of it was idle (man 5 proc_stat)."""
    times = [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return sum(times[:8]), times[3] + times[4]


def pairs(cluster: Cluster, most: int, rounds: int, seconds: int) -> list[dict[str, float]]:
    """Measure one client and one backend Pod, two of each, and so on."""
    figures = []
    with cpu_limited(cluster):
        for _ in range(rounds):
            for number in range(1, most + 1):
                for app in SERVICES:
                    cluster.scale(app, number)
                cluster.settle()
                measure_throughput(cluster, CONNECTIONS * number, 2)  # warm up
                total, idle = cpu_times()
                measured = measure_throughput(cluster, CONNECTIONS * number, seconds)
                total, idle = (now - before for now, before in zip(cpu_times(), (total, idle), strict=True))
                figures.append({"pairs": number, "busy": 1 - idle / total} | measured)
                print(figures[-1], flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=10, help="new Pods and edits of each service")
    parser.add_argument("--pairs", type=int, default=5, help="most Pods of each service")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=15, help="for each measurement of throughput")
    options = parser.parse_args()
    cluster = Cluster()
    make_namespace(cluster)
    nodes = [node.status.node_info.kubelet_version for node in cluster.core.list_node().items]
    figures: dict[str, Any] = {"machine": hardware() | {"nodes": f"{len(nodes)}, {', '.join(set(nodes))}"}}
    steps: dict[str, Callable[[], Any]] = {
        "ready": lambda: {
            app: [created_to_ready(cluster, app) for _ in range(options.times)] for app in SERVICES
        },
        "memory": lambda: memory(cluster, 2 * options.seconds),
        "pairs": lambda: pairs(cluster, options.pairs, options.rounds, options.seconds),
        "edits": lambda: edits(cluster, options.times),
    }
    for name, measure in steps.items():
        figures[name] = measure()
        print(name, figures[name], flush=True)
    results = ROOT / "bench/results"
    (results / "cluster.json").write_text(json.dumps(figures, indent=1) + "\n")
    (results / "cluster.md").write_text(tables(figures))
    print(tables(figures))


if __name__ == "__main__":
    main()
