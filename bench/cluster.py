"""`make bench-cluster`: what the pair costs on Kubernetes, measured on the kind cluster.

Writes cluster.md and cluster.json to bench/results/.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import watch

from bench.edits import edits
from bench.machine import hardware
from bench.report import machine_table, spread, target_table
from tests.e2e.caller_pod import CALLER_NAMESPACE, create_pod, make_namespace, phase
from tests.e2e.cluster import NAMESPACE, ROOT, SERVICES, Cluster, kubectl, until

CALLER = (ROOT / "bench/throughput_caller.py").read_text()
# For each Pod of the client; a Service spreads connections at random, and every Pod must have enough.
CONNECTIONS = 16
CPU_LIMIT = "200m"
MIB = 2**20
# Cores that are busy for this share of the time count as full. They do not get much further: Pods
# at their limit wait for each other's next period while the cores idle.
FULL = 0.85


def load(cluster: Cluster, connections: int, seconds: int) -> dict[str, float]:
    """Keep connections to the client busy, from a Pod; see bench/throughput_caller.py for what it gives."""
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
    """Delete a Pod; gives the seconds from its replacement's creation to Ready, as a watch sees them."""
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
    """The working set of each of the service's Pods in bytes, measured by its kubelet after a moment."""
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
    """Working sets of new Pods that have answered a few requests, and after load."""
    kubectl("rollout", "restart", *(f"deployment/{app}" for app in SERVICES))
    cluster.settle()
    load(cluster, 2 * CONNECTIONS, 1)
    now = datetime.now(UTC)
    figures = {app: {"idle": working_sets(cluster, app, now)} for app in SERVICES}
    load(cluster, 64, seconds)
    now = datetime.now(UTC)
    for app in SERVICES:
        figures[app]["after load"] = working_sets(cluster, app, now)
    return figures


@contextmanager
def limited(cluster: Cluster) -> Iterator[None]:
    """Every Pod of the pair may use CPU_LIMIT while the block runs."""
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
    """CPU time of the machine so far, and how much of it was idle (man 5 proc_stat)."""
    times = [int(ticks) for ticks in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return sum(times[:8]), times[3] + times[4]


def pairs(cluster: Cluster, most: int, rounds: int, seconds: int) -> list[dict[str, float]]:
    """Throughput of one client and one backend Pod, of two each, and so on."""
    figures = []
    with limited(cluster):
        for _ in range(rounds):
            for number in range(1, most + 1):
                for app in SERVICES:
                    cluster.scale(app, number)
                cluster.settle()
                load(cluster, CONNECTIONS * number, 2)  # warm
                total, idle = cpu_times()
                measured = load(cluster, CONNECTIONS * number, seconds)
                total, idle = (now - before for now, before in zip(cpu_times(), (total, idle), strict=True))
                figures.append({"pairs": number, "busy": 1 - idle / total} | measured)
                print(figures[-1], flush=True)
    return figures


def tables(figures: dict[str, Any]) -> str:
    """Markdown: the targets, the pairs, the machine."""
    lines = ["Medians; in brackets the lowest and the highest.", "", *target_table(targets(figures))]
    lines += ["", f"| Pods of each, {CPU_LIMIT} CPU | requests/s | a pair ÷ the first | p99 in ms | errors |"]
    lines[-1] += " this machine's cores busy |"
    lines += ["|---|---|---|---|---|---|"]
    for number, rows, share in by_pairs(figures["pairs"]):
        cells = [
            str(number),
            spread((row["requests/s"] for row in rows), 0),
            f"{share:.2f}",
            spread((row["p99"] for row in rows), 0),
            str(sum(row["errors"] for row in rows)),
            f"{100 * statistics.median(row['busy'] for row in rows):.0f} %",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *machine_table(figures["machine"])]
    return "\n".join(lines) + "\n"


def by_pairs(rows: list[dict[str, float]]) -> Iterator[tuple[int, list[dict[str, float]], float]]:
    """For each number of pairs: its rows, and the throughput of a pair as a share of the first one's."""
    first = statistics.median(row["requests/s"] for row in rows if row["pairs"] == 1)
    for number in sorted({int(row["pairs"]) for row in rows}):
        its = [row for row in rows if row["pairs"] == number]
        yield number, its, statistics.median(row["requests/s"] for row in its) / number / first


def targets(figures: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """What was aimed at, what was measured, whether that is enough."""
    for app in SERVICES:
        seconds = figures["ready"][app]
        yield f"{app}: Pod created to Ready ≤ 3 s", f"{spread(seconds, 2)} s", statistics.median(seconds) <= 3
    for app in SERVICES:
        for when, sizes in figures["memory"][app].items():
            most = max(sizes) / MIB
            yield f"{app}: working set {when} ≤ 64 MiB", f"{most:.0f} MiB at most", most <= 64
    for number, rows, share in by_pairs(figures["pairs"]):
        busy = statistics.median(row["busy"] for row in rows)
        if number > 1 and busy < FULL:
            yield f"{number} Pods of each: a pair ≥ 0.9 of the first", f"{share:.2f}", share >= 0.9
    for app in SERVICES:
        seconds = figures["edits"][app]
        yield f"{app}: edit to live ≤ 1 s", f"{spread(seconds, 2)} s", statistics.median(seconds) <= 1


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=10, help="new Pods and edits of each service")
    parser.add_argument("--pairs", type=int, default=5, help="most Pods of each service")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=15, help="of load, each")
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
