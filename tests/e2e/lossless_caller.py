"""An unforgiving caller, run in a Pod of the cluster: every request must succeed at its first try.

Some connections are kept alive and idle for seconds now and then; beside them, requests on new
connections come at a fixed rate, whether earlier ones are answered or not. Nothing is retried.
Prints one line of JSON when told to stop (a file) and enough was asked.

Standard library only: it runs on the client's image.
"""

import argparse
import asyncio
import json
import random
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

STOP = Path("/tmp/stop")
# The backend's logic may change what else an answer says.
EXPECTED = {"status_code": 200, "source": "client"}
# Longer than any answer may take: what is still open then hangs.
HUNG_AFTER = 40.0
IDLE_SHARE, SHORTEST_IDLE, LONGEST_IDLE = 0.01, 1.0, 5.0
# Between two requests of a connection: callers compete with the pair for two cores.
BETWEEN = 0.05

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Tally:
    """The requests of one kind: how many, how fast, and what failed."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()

        self.refusals: list[float] = []

    @property
    def requests(self) -> int:
        return len(self.seconds) + self.failures.total()

    def figures(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "failures": dict(self.failures),
            "p50_ms": percentile(self.seconds, 50),
            "p99_ms": percentile(self.seconds, 99),
            "refused_p50_ms": percentile(self.refusals, 50),
            "refused_p99_ms": percentile(self.refusals, 99),
        }


def percentile(seconds: list[float], percent: int) -> float:
    """In milliseconds."""
    in_order = sorted(seconds) or [0.0]
    return round(1000 * in_order[len(in_order) * percent // 100], 1)


async def ask(streams: Streams, path: str, *, keep: bool) -> tuple[str, bool]:
    """Send a request and read its answer: what is wrong with it ("" for nothing), and may another follow?"""
    reader, writer = streams
    connection = "keep-alive" if keep else "close"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: client\r\nConnection: {connection}\r\n\r\n".encode())
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    body = await reader.readexactly(length)
    status = head.split()[1]
    if status != "200":
        return f"status {status}{' with retry-after' if 'retry-after: ' in head else ''}", False
    content = json.loads(body)
    if not EXPECTED.items() <= content.items() or not content["message"]:
        return "wrong body", False
    return "", keep and "connection: close" not in head


async def once(
    tally: Tally, address: tuple[str, int], streams: Streams | None, *, keep: bool
) -> Streams | None:
    """Make one request, count it, and give back the connection if it may be used again."""
    started = time.monotonic()
    step = "send" if streams else "connect"
    again = False
    try:
        async with asyncio.timeout(HUNG_AFTER):
            if streams is None:
                streams = await asyncio.open_connection(*address)
                step = "first answer"
            wrong, again = await ask(streams, "/", keep=keep)
    except (OSError, EOFError, TimeoutError) as error:
        wrong = f"{step}: {type(error).__name__}"
    took = time.monotonic() - started
    if not wrong:
        tally.seconds.append(took)
    else:
        tally.failures[wrong] += 1
        if wrong.startswith("status 503"):
            tally.refusals.append(took)
        else:
            print(f"{time.time():.3f} {wrong} after {took:.2f} s", file=sys.stderr)
    if streams and not again:
        streams[1].close()
    return streams if again else None


async def keep_alive(tally: Tally, address: tuple[str, int], done: asyncio.Event) -> None:
    """Use one connection for as long as the other side keeps it."""
    streams = None
    while not done.is_set():
        streams = await once(tally, address, streams, keep=True)
        idle = random.random() < IDLE_SHARE
        await asyncio.sleep(random.uniform(SHORTEST_IDLE, LONGEST_IDLE) if idle else BETWEEN)


async def new_connections(tally: Tally, address: tuple[str, int], done: asyncio.Event, rate: float) -> None:
    """Open a connection per request, at a rate that does not wait for answers."""
    started, tasks = time.monotonic(), set()
    for number in range(10_000_000):
        if done.is_set():
            break
        await asyncio.sleep(max(0, started + number / rate - time.monotonic()))
        task = asyncio.create_task(once(tally, address, None, keep=False))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


async def main(options: argparse.Namespace) -> dict[str, Any]:
    address = (
        socket.gethostbyname(options.host),
        options.port,
    )  # once: a lookup per request would test the DNS
    kept, fresh, done, started = Tally(), Tally(), asyncio.Event(), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(options.connections):
            tasks.create_task(keep_alive(kept, address, done))
        if options.rate:
            tasks.create_task(new_connections(fresh, address, done, options.rate))
        while time.monotonic() < started + options.longest:
            await asyncio.sleep(0.1)
            least = min(
                t.requests for t, used in ((kept, options.connections), (fresh, options.rate)) if used
            )
            if stopped() and least >= options.enough:
                break
        done.set()
    seconds = round(time.monotonic() - started, 1)
    return {"keep-alive": kept.figures(), "new connections": fresh.figures(), "seconds": seconds}


def stopped() -> bool:
    """Whether the caller's caller wants no more than enough."""
    return STOP.exists()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, help="kept alive")
    parser.add_argument("--rate", type=float, help="requests a second on new connections")
    parser.add_argument("--enough", type=int, help="requests of each kind before it stops")
    parser.add_argument("--longest", type=float, help="seconds after which it stops all the same")
    print(json.dumps(asyncio.run(main(parser.parse_args()))))
