"""The pair alone: a thousand calls in flight to a backend that takes a second, and how fast it starts."""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from bench.services import ROOT, Place, free_port, running, wait_for
from bench.throughput_caller import ask, p99

CALLERS = 1000
ARRIVE, STAY = 4.0, 15.0  # seconds
BACKEND_TAKES = 1.0


@dataclass
class Seen:
    """What the callers saw."""

    latencies: list[float] = field(default_factory=list)
    healthz: list[float] = field(default_factory=list)
    most_at_backend: int = 0
    errors: int = 0


async def backend(port: int) -> None:
    """Serve answers that take a second and say how many are under way."""
    under_way = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal under_way
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            under_way += 1
            await asyncio.sleep(BACKEND_TAKES)
            body = json.dumps({"status_code": 200, "at_backend": under_way}).encode()
            under_way -= 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=CALLERS)
    await server.serve_forever()


async def call(port: int, delay: float, until: float, seen: Seen) -> None:
    """Keep one connection busy."""
    await asyncio.sleep(delay)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        took, good, body = await ask(reader, writer, b"/")
        seen.latencies.append(took)
        seen.errors += not good
        seen.most_at_backend = max(seen.most_at_backend, json.loads(body).get("at_backend", 0))
    writer.close()


async def probe(port: int, until: float, seen: Seen) -> None:
    """Ask /healthz again and again, on new connections as a kubelet does."""
    while time.monotonic() < until:
        started = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        _, good, _ = await ask(reader, writer, b"/healthz")
        seen.healthz.append(time.monotonic() - started)
        seen.errors += not good
        writer.close()
        await asyncio.sleep(0.05)


async def load(port: int) -> Seen:
    """Callers that arrive one by one and never pause."""
    seen = Seen()
    until = time.monotonic() + STAY
    callers = [call(port, number * ARRIVE / CALLERS, until, seen) for number in range(CALLERS)]
    await asyncio.gather(*callers, probe(port, until, seen))
    return seen


def measure(place: Place, python: str) -> dict[str, Any]:
    """Load the client while its backend is slow; times in milliseconds."""
    theirs, ours = free_port(), free_port()
    settings = {"HOST": "127.0.0.1", "PORT": str(ours), "URL": f"127.0.0.1:{theirs}", "WORKERS": "1"}
    with (
        running(place, "slow-backend", [sys.executable, "-m", "bench.slow", str(theirs)], ROOT, {}) as slow,
        running(place, "slow-client", [python, "-m", "client"], ROOT, settings) as client,
    ):
        wait_for(f"http://127.0.0.1:{theirs}/", slow)
        wait_for(f"http://127.0.0.1:{ours}/", client)
        seen = asyncio.run(load(ours))
    return {
        "callers": CALLERS,
        "requests": len(seen.latencies),
        "errors": seen.errors,
        "most at the backend": seen.most_at_backend,
        "p50": 1000 * statistics.median(seen.latencies),
        "p99": 1000 * p99(seen.latencies),
        "healthz p99": 1000 * p99(seen.healthz),
        "healthz slowest": 1000 * max(seen.healthz),
    }


if __name__ == "__main__":
    asyncio.run(backend(int(sys.argv[1])))
