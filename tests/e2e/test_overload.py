"""At twice the load that it can serve, the client refuses the excess at once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import measurements
from tests.e2e.caller_pod import calling, create_pod
from tests.e2e.cluster import NAMESPACE, Cluster, port_forward, until
from tests.e2e.polling import Answer, get

# A backend that takes a second, so that the client's limit decides what it can serve.
SLOW_BACKEND = """
import asyncio
async def answer(reader, writer):
    while (await reader.readuntil(b"\\r\\n\\r\\n")):
        await asyncio.sleep(1)
        body = b'{"status_code": 200, "message": "hello world", "source": "backend"}'
        head = b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n"
        writer.write(head % len(body) + body)
async def main():
    async with await asyncio.start_server(answer, "0.0.0.0", 8080) as server:
        await server.serve_forever()
asyncio.run(main())
"""
LIMIT = 50


@contextmanager
def slow_backend(cluster: Cluster) -> Iterator[None]:
    """Point the Service `backend` to a slow one while the block runs."""
    create_pod(cluster, "slow", ["python", "-c", SLOW_BACKEND], {"app": "backend", "slow": "yes"}, NAMESPACE)
    try:
        set_selector(cluster, "yes")
        yield
    finally:
        set_selector(cluster, None)
        cluster.core.delete_namespaced_pod("slow", NAMESPACE, grace_period_seconds=0)


def set_selector(cluster: Cluster, slow: str | None) -> None:
    cluster.core.patch_namespaced_service("backend", NAMESPACE, {"spec": {"selector": {"slow": slow}}})


@pytest.mark.full
def test_at_twice_the_load_that_it_can_serve_the_client_refuses_the_rest_at_once(cluster: Cluster) -> None:
    with cluster.changed("client", MAX_IN_FLIGHT=str(LIMIT)):
        before = {pod.metadata.name: restarts(pod) for pod in cluster.pods("client")}
        dropped = {name: dropped_handshakes(cluster, name) for name in before}
        with slow_backend(cluster):
            with port_forward("service/client", 8082) as url:
                until(lambda: slow(get(url)), "answered by the slow backend", 60)
            # Two Pods take 50 requests a second each.
            with calling(cluster, "overload", 0, connections=0, rate=4 * LIMIT) as calls:
                started = time.monotonic()
                until(lambda: time.monotonic() > started + 60, "a minute of overload", 70)
        overload_ended = time.monotonic()
        with port_forward("service/client", 8082) as url:
            until(lambda: (answer := get(url)).status == 200 and answer.seconds < 1, "normal service", 30)
        recovery = time.monotonic() - overload_ended
        after = {pod.metadata.name: restarts(pod) for pod in cluster.pods("client")}
        memory = max(peak_memory(cluster, name) for name in after)
        assert {name: dropped_handshakes(cluster, name) for name in after} == dropped
    answered = calls.summary["new connections"]
    measurements.notes["twice the load that the client can serve, for 60 s"] = (
        f"accepted: p99 {answered['p99_ms']} ms with a backend that takes 1,000 ms; refused with a 503: "
        f"p99 {answered['refused_p99_ms']} ms, connecting: p99 {answered['handshake_p99_ms']} ms; "
        f"at most {memory / 2**20:.0f} MiB; "
        f"normal again after {recovery:.1f} s"
    )
    refused = answered["failures"].pop("status 503 with retry-after")
    assert answered["failures"] == {}, calls.log
    assert answered["requests"] > 60 * 4 * LIMIT * 0.9
    assert 0.3 < refused / answered["requests"] < 0.7
    assert answered["p99_ms"] < 2000
    assert answered["refused_p99_ms"] < 250  # a few ms on an idle machine
    assert after == before
    assert recovery < 5


def slow(answer: Answer) -> bool:
    return answer.status == 200 and answer.seconds > 1


def restarts(pod: object) -> int:
    return sum(status.restart_count for status in pod.status.container_statuses)  # type: ignore[attr-defined]


def dropped_handshakes(cluster: Cluster, pod: str) -> int:
    """Return how many handshakes its kernel dropped since the service did not accept in time."""
    names, values = [
        line.split()
        for line in cluster.execute(pod, "cat", "/proc/net/netstat").splitlines()
        if line.startswith("TcpExt:")
    ]
    return int(values[names.index("ListenDrops")])


def peak_memory(cluster: Cluster, pod: str) -> int:
    """Return the most memory that the container ever used, in bytes (cgroup v2 or v1)."""
    read = "cd /sys/fs/cgroup; cat memory.peak memory/memory.max_usage_in_bytes 2>/dev/null; true"
    return int(cluster.execute(pod, "sh", "-c", read).split()[0])
