"""A caller of streams that never retries, run in a Pod of the cluster: every stream must be whole.

It keeps as many streams open as it is told, and begins another one whenever one ends, until STOP exists. Then
it waits for those that are open and prints a summary as a line of JSON.

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

STOP = Path("/tmp/stop")
# Beyond a stream's own time (seconds).
HUNG_AFTER = 20.0

Count = Counter[str]


async def read_stream(address: tuple[str, int], target: str, events: int) -> str:
    """Read a stream on a connection of its own; return what is wrong with it, "" if nothing."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        lines = ("Host: client", "Accept: text/event-stream", "Connection: close")
        writer.write("".join(f"{line}\r\n" for line in (f"GET {target} HTTP/1.1", *lines, "")).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        status = head.split()[1]
        if status != "200" or "content-type: text/event-stream" not in head:
            return f"status {status}"
        body = (await reader.read()).decode()
    finally:
        writer.close()
    if "event: failed" in body:
        return body[body.index("event: failed") :].splitlines()[1]
    if not body.endswith("0\r\n\r\n") or "event: end" not in body:
        return "cut off"
    return "" if body.count('data: {"number":') == events else "events are missing"


async def keep_streaming(
    address: tuple[str, int], options: argparse.Namespace, seen: Count, failures: Count
) -> None:
    """Read one stream after the other."""
    target = f"/?events={options.events}&every={options.every}"
    seconds = options.events * options.every
    await asyncio.sleep(random.uniform(0, seconds))  # or all of them would begin and end together
    deadline = time.monotonic() + options.max_seconds
    while not stopped() and time.monotonic() < deadline:
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds + HUNG_AFTER):
                wrong = await read_stream(address, target, options.events)
        except (OSError, EOFError, TimeoutError) as error:
            wrong = type(error).__name__
        seen["streams"] += 1
        if wrong:
            failures[wrong] += 1
            print(f"{time.time():.3f} {wrong} after {time.monotonic() - began:.2f} s", file=sys.stderr)


def stopped() -> bool:
    return STOP.exists()


async def main(options: argparse.Namespace) -> None:
    address = (socket.gethostbyname(options.host), options.port)
    seen, failures = Counter[str](), Counter[str]()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(options.streams):
            tasks.create_task(keep_streaming(address, options, seen, failures))
    print(json.dumps({"streams": seen["streams"], "failures": failures}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--streams", type=int, help="open at once")
    parser.add_argument("--events", type=int, help="of a stream, beside its end")
    parser.add_argument("--every", type=float, help="seconds between two events")
    parser.add_argument("--max-seconds", type=float, help="after which no further stream begins")
    asyncio.run(main(parser.parse_args()))
