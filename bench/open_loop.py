"""Open-loop caller: send each request when it is due, whether or not earlier ones have been answered.

Latency counts from the time a request was due. A closed loop sends nothing while a service stalls, and so
leaves out the requests that a stall delays ("coordinated omission").
"""

import asyncio
import json
import selectors
import statistics
import sys
import time

from bench.throughput_caller import get, is_ok, percentile

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

TIMEOUT = 10.0  # seconds
MAX_CONNECTIONS = 900  # select() takes descriptors below 1024


class Pool:
    """Keep-alive connections; the one that was used last is used next."""

    def __init__(self, host: str, port: int) -> None:
        self.address = host, port
        self.idle: list[Connection] = []
        self.free = asyncio.Semaphore(MAX_CONNECTIONS)

    async def request(self) -> bool:
        """Send a request and return whether the answer is a 200."""
        async with self.free, asyncio.timeout(TIMEOUT):
            reader, writer = await self.connection()
            try:
                head, _ = await get(reader, writer)
            except BaseException:
                writer.close()
                raise
            if b"\r\nconnection: close\r\n" in head.lower():
                writer.close()
            else:
                self.idle.append((reader, writer))
            return is_ok(head)

    async def connection(self) -> Connection:
        """Return an idle connection that the service has not closed, or a new one."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(*self.address)

    def close(self) -> None:
        for _, writer in self.idle:
            writer.close()


async def measure(host: str, port: int, rate: float, seconds: float) -> dict[str, float]:
    """Send requests at a fixed rate and return their latencies in milliseconds."""
    pool = Pool(host, port)
    latencies: list[float] = []
    delays: list[float] = []
    errors = 0

    async def call(due: float) -> None:
        nonlocal errors
        delays.append(time.monotonic() - due)
        try:
            ok = await pool.request()
        except (OSError, EOFError):  # also a timeout
            ok = False
        errors += not ok  # not in one line with the await, which would add to what was there before it
        latencies.append(time.monotonic() - due)

    start = time.monotonic()
    async with asyncio.TaskGroup() as calls:
        for number in range(round(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            calls.create_task(call(due))
    pool.close()
    return {
        "rate": rate,
        "requests": len(latencies),
        "errors": errors,
        "p50": 1000 * statistics.median(latencies),
        "p99": 1000 * percentile(latencies, 99),
        "p99.9": 1000 * percentile(latencies, 99.9),
        # By the caller itself: it measures nothing if this is not small.
        "sent late p99": 1000 * percentile(delays, 99),
    }


def precise_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose timers are not rounded up to milliseconds, as those of epoll are."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    host, port, rate, seconds = sys.argv[1:]
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        print(json.dumps(runner.run(measure(host, int(port), float(rate), float(seconds)))))
