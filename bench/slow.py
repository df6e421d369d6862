"""The pair with a slow backend: a thousand calls in flight in one client process, and /healthz meanwhile."""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from bench.services import ROOT, Runtime, free_port, running, wait_for
from bench.throughput_caller import get, is_ok, percentile

CALLERS = 1000
BACKEND_SECONDS = 1.0
RAMP_UP_SECONDS = 4.0
TOTAL_SECONDS = 15.0


@dataclass
class Results:
    """What the callers measured, in seconds."""

    latencies: list[float] = field(default_factory=list)
    healthz: list[float] = field(default_factory=list)
    max_at_backend: int = 0
    errors: int = 0


async def serve_slowly(port: int) -> None:
    """Answer each request after a second with the number of requests in flight."""
    in_flight = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal in_flight
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            in_flight += 1
            await asyncio.sleep(BACKEND_SECONDS)
            body = json.dumps({"status_code": 200, "at_backend": in_flight}).encode()
            in_flight -= 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=CALLERS)
    await server.serve_forever()


async def call(port: int, delay: float, until: float, results: Results) -> None:
    """Keep one connection busy, after a delay."""
    await asyncio.sleep(delay)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (sent := time.monotonic()) < until:
        head, body = await get(reader, writer)
        results.latencies.append(time.monotonic() - sent)
        results.errors += not is_ok(head)
        results.max_at_backend = max(results.max_at_backend, json.loads(body).get("at_backend", 0))
    writer.close()


async def probe(port: int, until: float, results: Results) -> None:
    """Request /healthz repeatedly, each time on a new connection as a kubelet does."""
    while (started := time.monotonic()) < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head, _ = await get(reader, writer, b"/healthz")
        results.healthz.append(time.monotonic() - started)
        results.errors += not is_ok(head)
        writer.close()
        await asyncio.sleep(0.05)


async def run_callers(port: int) -> Results:
    """Run closed-loop callers, which arrive one after the other, and the probe."""
    results = Results()
    until = time.monotonic() + TOTAL_SECONDS
    callers = [call(port, number * RAMP_UP_SECONDS / CALLERS, until, results) for number in range(CALLERS)]
    await asyncio.gather(*callers, probe(port, until, results))
    return results


def measure(runtime: Runtime, python: str) -> dict[str, Any]:
    """Measure the client while its backend is slow; times in milliseconds."""
    backend_port, port = free_port(), free_port()
    backend_command = [sys.executable, "-m", "bench.slow", str(backend_port)]
    settings = {"HOST": "127.0.0.1", "PORT": str(port), "URL": f"127.0.0.1:{backend_port}", "WORKERS": "1"}
    with (
        running(runtime, "slow-backend", backend_command, ROOT, {}) as backend,
        running(runtime, "slow-client", [python, "-m", "client"], ROOT, settings) as client,
    ):
        wait_for(f"http://127.0.0.1:{backend_port}/", backend)
        wait_for(f"http://127.0.0.1:{port}/", client)
        results = asyncio.run(run_callers(port))
    return {
        "callers": CALLERS,
        "requests": len(results.latencies),
        "errors": results.errors,
        "most at the backend": results.max_at_backend,
        "p50": 1000 * statistics.median(results.latencies),
        "p99": 1000 * percentile(results.latencies, 99),
        "healthz p99": 1000 * percentile(results.healthz, 99),
        "healthz slowest": 1000 * max(results.healthz),
    }


if __name__ == "__main__":
    asyncio.run(serve_slowly(int(sys.argv[1])))
