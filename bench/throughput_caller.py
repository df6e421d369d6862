"""Closed-loop callers: each sends its next request as soon as the last one is answered.

Standard library only: it also runs in a Pod of the client's image.
"""

import asyncio
import json
import math
import re
import sys
import time

REQUEST = b"GET %s HTTP/1.1\r\nHost: bench\r\n\r\n"


async def get(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes = b"/"
) -> tuple[bytes, bytes]:
    """Send a GET request and return the head and the body of the response."""
    writer.write(REQUEST % path)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return head, await reader.readexactly(int(length[1]) if length else 0)


def is_ok(head: bytes) -> bool:
    """Return whether the status is 200."""
    return head.startswith(b"HTTP/1.1 200 ")


async def measure(host: str, port: int, connections: int, seconds: float) -> dict[str, float]:
    """Keep connections busy and return throughput and latency; a broken connection raises."""
    latencies: list[float] = []
    errors = 0

    async def call(until: float) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, port)
        while (sent := time.monotonic()) < until:
            head, _ = await get(reader, writer)
            latencies.append(time.monotonic() - sent)
            errors += not is_ok(head)
        writer.close()

    until = time.monotonic() + seconds
    await asyncio.gather(*(call(until) for _ in range(connections)))
    return {
        "requests/s": len(latencies) / seconds,
        "errors": errors,
        "p99": 1000 * percentile(latencies, 99),
    }


def percentile(values: list[float], percent: float) -> float:
    """Return the smallest value that is at least as large as this percentage of all (nearest rank)."""
    return sorted(values)[math.ceil(percent * len(values) / 100) - 1]


if __name__ == "__main__":
    host, port, connections, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(measure(host, int(port), int(connections), float(seconds)))))
