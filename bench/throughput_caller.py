"""Callers that never pause, each on a connection of its own.

Standard library only: it also runs in a Pod of the client's image.
"""

import asyncio
import json
import math
import re
import sys
import time

REQUEST = b"GET %s HTTP/1.1\r\nHost: bench\r\n\r\n"


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: bytes
) -> tuple[float, bool, bytes]:
    """Ask once; gives the seconds it took, whether it was a 200, and the body."""
    started = time.monotonic()
    writer.write(REQUEST % path)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    body = await reader.readexactly(int(length[1]) if length else 0)
    return time.monotonic() - started, head.startswith(b"HTTP/1.1 200"), body


async def load(host: str, port: int, connections: int, seconds: float) -> dict[str, float]:
    """Keep connections busy; a lost one fails the run."""
    latencies: list[float] = []
    errors = 0

    async def call(until: float) -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, port)
        while time.monotonic() < until:
            took, good, _ = await ask(reader, writer, b"/")
            latencies.append(took)
            errors += not good
        writer.close()

    until = time.monotonic() + seconds
    await asyncio.gather(*(call(until) for _ in range(connections)))
    return {"requests/s": len(latencies) / seconds, "errors": errors, "p99": 1000 * p99(latencies)}


def p99(values: list[float]) -> float:
    """Of a hundred values, all but one are at most this."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]


if __name__ == "__main__":
    host, port, connections, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(load(host, int(port), int(connections), float(seconds)))))
