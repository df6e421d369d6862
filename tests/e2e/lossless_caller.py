"""A caller that never retries, run in a Pod of the cluster: every request must succeed at once.

Some connections are busy, and now and then idle for seconds; some idle for up to a minute between
two requests; others are new for each request, at a fixed rate, whether earlier requests are answered
or not. Once STOP exists and enough requests were made, it prints a summary as a line of JSON.

Each request is a GET, or a POST of a number of its own: 1, 2, 3 and so on.

Standard library only: it runs on the client's image.
"""

import argparse
import asyncio
import itertools
import json
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STOP = Path("/tmp/stop")
# Longer than any answer may take (seconds).
HUNG_AFTER = 40.0
IDLE_SHARE, MIN_IDLE, MAX_IDLE = 0.01, 1.0, 5.0
# Between two requests on a connection, since callers share the pair's cores (seconds).
PAUSE = 0.05
# How long common load balancers and clients keep an idle connection (seconds).
LONG_IDLE = 60.0
# For the first connections, of which a hundred at once would wait for each other (seconds).
SPREAD = 2.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Target:
    """What is called: the client's address, and a path that takes POSTs (empty: GETs of `/`)."""

    address: tuple[str, int]
    post: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def status(self) -> int:
        """The expected status."""
        return 201 if self.post else 200

    def request(self, *, keep: bool) -> bytes:
        """Return the next request."""
        body = json.dumps({"number": next(self.numbers)}) if self.post else ""
        lines = [
            f"POST {self.post} HTTP/1.1" if self.post else "GET / HTTP/1.1",
            "Host: client",
            f"Connection: {'keep-alive' if keep else 'close'}",
            *([f"Content-Length: {len(body)}", "Content-Type: application/json"] if self.post else []),
        ]
        return "\r\n".join([*lines, "", body]).encode()


class Tally:
    """The requests of one kind: their number, latencies and failures."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()
        # From the request on, since a lost packet of a handshake alone costs a second.
        self.refusals: list[float] = []
        self.handshakes: list[float] = []

    @property
    def requests(self) -> int:
        return len(self.seconds) + self.failures.total()

    def summary(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "failures": dict(self.failures),
            "p50_ms": percentile(self.seconds, 50),
            "p99_ms": percentile(self.seconds, 99),
            "refused_p50_ms": percentile(self.refusals, 50),
            "refused_p99_ms": percentile(self.refusals, 99),
            "handshake_p99_ms": percentile(self.handshakes, 99),
        }


def percentile(seconds: list[float], percent: int) -> float:
    """Return a percentile in milliseconds."""
    in_order = sorted(seconds) or [0.0]
    return round(1000 * in_order[len(in_order) * percent // 100], 1)


async def exchange(streams: Streams, target: Target, *, keep: bool) -> tuple[str, bool]:
    """Send a request; return what is wrong with its answer ("" if nothing) and whether it is kept alive."""
    reader, writer = streams
    writer.write(target.request(keep=keep))
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    body = await reader.readexactly(length)
    status = head.split()[1]
    if status != str(target.status):
        return f"status {status}{' with retry-after' if 'retry-after: ' in head else ''}", False
    content = json.loads(body)
    # Other fields depend on the backend's logic.
    expected = {"status_code": target.status, "source": "client"}
    if not expected.items() <= content.items() or not content["message"]:
        return "wrong body", False
    return "", keep and "connection: close" not in head


async def call(tally: Tally, target: Target, streams: Streams | None, *, keep: bool) -> Streams | None:
    """Make a request, count it, and return the connection if it is kept alive."""
    started = connected = time.monotonic()
    step = "send" if streams else "connect"
    again = False
    try:
        async with asyncio.timeout(HUNG_AFTER):
            if streams is None:
                streams = await asyncio.open_connection(*target.address)
                connected = time.monotonic()
                tally.handshakes.append(connected - started)
                step = "first answer"
            wrong, again = await exchange(streams, target, keep=keep)
    except (OSError, EOFError, TimeoutError) as error:
        wrong = f"{step}: {type(error).__name__}"
    now = time.monotonic()
    if not wrong:
        tally.seconds.append(now - started)
    else:
        tally.failures[wrong] += 1
        if wrong.startswith("status 503"):
            tally.refusals.append(now - connected)
        else:
            print(f"{time.time():.3f} {wrong} after {now - started:.2f} s", file=sys.stderr)
    if streams and not again:
        streams[1].close()
    return streams if again else None


async def keep_alive(tally: Tally, target: Target, done: asyncio.Event, pause: Callable[[], float]) -> None:
    """Make requests on one connection, and on a new one whenever that is closed; pause() is in seconds."""
    await asyncio.sleep(random.uniform(0, SPREAD))
    streams = None
    while not done.is_set():
        streams = await call(tally, target, streams, keep=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), pause())


def short_pause() -> float:
    return random.uniform(MIN_IDLE, MAX_IDLE) if random.random() < IDLE_SHARE else PAUSE


def long_pause() -> float:
    return random.uniform(MIN_IDLE, LONG_IDLE)


async def new_connections(tally: Tally, target: Target, done: asyncio.Event, rate: float) -> None:
    """Open a connection for each request, at a rate that does not wait for answers."""
    started, tasks = time.monotonic(), set()
    for number in range(10_000_000):
        if done.is_set():
            break
        await asyncio.sleep(max(0, started + number / rate - time.monotonic()))
        task = asyncio.create_task(call(tally, target, None, keep=False))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)


async def main(options: argparse.Namespace) -> dict[str, Any]:
    # Looked up once: a lookup for each request would test the DNS.
    target = Target((socket.gethostbyname(options.host), options.port), options.post)
    kept, idle, fresh = Tally(), Tally(), Tally()
    done, started = asyncio.Event(), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(options.connections):
            tasks.create_task(keep_alive(kept, target, done, short_pause))
        for _ in range(options.idle_connections):
            tasks.create_task(keep_alive(idle, target, done, long_pause))
        if options.rate:
            tasks.create_task(new_connections(fresh, target, done, options.rate))
        while time.monotonic() < started + options.max_seconds:
            await asyncio.sleep(0.1)
            least = min(
                t.requests for t, used in ((kept, options.connections), (fresh, options.rate)) if used
            )
            if stopped() and least >= options.min_requests:
                break
        done.set()
    seconds = round(time.monotonic() - started, 1)
    return {
        "keep-alive": kept.summary(),
        "idle up to 60 s": idle.summary(),
        "new connections": fresh.summary(),
        "seconds": seconds,
    }


def stopped() -> bool:
    return STOP.exists()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--post", default="", help="a path for POSTs, instead of GETs of /")
    parser.add_argument("--connections", type=int, help="kept alive")
    parser.add_argument("--idle-connections", type=int, help="kept alive, and mostly idle")
    parser.add_argument("--rate", type=float, help="requests a second on new connections")
    parser.add_argument("--min-requests", type=int, help="of the busy kinds each, before it stops")
    parser.add_argument("--max-seconds", type=float, help="after which it stops all the same")
    print(json.dumps(asyncio.run(main(parser.parse_args()))))
