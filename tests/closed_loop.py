"""Callers that send their next request once they have an answer, and later where Retry-After says so."""

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass

from tests.calls import request

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Report:
    answered: float  # 200s a second
    refused: float  # 503s a second
    answers_p99: float  # seconds
    refusals_p99: float
    refusals_max: float
    probes_max: float
    others: list[str]  # whatever else happened
    cpu: float  # seconds of it that the callers used, for each second


class Caller(asyncio.Protocol):
    """One connection; a lost one, or any other status, is noted."""

    def __init__(self, load: "Load") -> None:
        self.load = load
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.data, self.sent = b"", time.monotonic()
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, end, body = self.data.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if not end or not length or len(body) < int(length[1]):
            return
        took = time.monotonic() - self.sent
        status, wait = head[9:12], re.search(rb"Retry-After: (\d+)", head)
        if status == b"200":
            self.load.answers.append((self.sent, took))
            self.send()
        elif status == b"503" and wait and b"Connection: keep-alive" in head:
            self.load.refusals.append((self.sent, took))
            asyncio.get_running_loop().call_later(int(wait[1]), self.send)
        else:
            self.load.others.append(head.decode())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.load.is_over:
            self.load.others.append(f"connection lost: {exc!r}")


class Load:
    """Callers of a port, and probes on new connections beside them.

    Args:
        target: what they ask for.
        warm_up: how long before what they see counts (seconds).
    """

    def __init__(self, port: int, target: str, *, warm_up: float) -> None:
        self.port = port
        self.request = request(target)
        self.warm_up = warm_up
        self.answers: list[tuple[float, float]] = []
        self.refusals: list[tuple[float, float]] = []
        self.probes: list[tuple[float, float]] = []
        self.others: list[str] = []
        self.is_over = False

    async def run(self, callers: int, seconds: float) -> Report:
        loop = asyncio.get_running_loop()
        transports = []
        for _ in range(callers):
            transport, _protocol = await loop.create_connection(lambda: Caller(self), HOST, self.port)
            transports.append(transport)
        probing = asyncio.create_task(self.probe())
        await asyncio.sleep(self.warm_up)
        since, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(seconds)
        cpu = time.process_time() - cpu
        self.is_over = True
        probing.cancel()
        for transport in transports:
            transport.abort()
        answers, refusals, probes = (
            sorted(took for sent, took in each if sent > since) or [0.0]
            for each in (self.answers, self.refusals, self.probes)
        )
        return Report(
            answered=len(answers) / seconds,
            refused=len(refusals) / seconds,
            answers_p99=answers[int(0.99 * len(answers))],
            refusals_p99=refusals[int(0.99 * len(refusals))],
            refusals_max=refusals[-1],
            probes_max=probes[-1],
            others=self.others[:10],
            cpu=cpu / seconds,
        )

    async def probe(self) -> None:
        """Ask for /healthz as a kubelet does."""
        while True:
            sent = time.monotonic()
            reader, writer = await asyncio.open_connection(HOST, self.port)
            writer.write(request("/healthz", "GET", "Connection: close"))
            if not (await reader.read()).startswith(b"HTTP/1.1 200"):
                self.others.append("a probe failed")
            writer.close()
            self.probes.append((sent, time.monotonic() - sent))
            await asyncio.sleep(0.1)


def main() -> None:
    """Print a report in JSON: PORT TARGET CALLERS SECONDS."""
    port, target, callers, seconds = sys.argv[1:]
    load = Load(int(port), target, warm_up=3)
    print(json.dumps(asdict(asyncio.run(load.run(int(callers), float(seconds))))))


if __name__ == "__main__":
    main()
