"""LOGIC=database: more callers than PostgreSQL can serve leave it as fast as it was."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from statistics import median

import pytest

from tests.calls import request
from tests.conftest import Start
from tests.live.test_overload import serves_1000_callers_as_well_as_100

# Before what callers see counts (seconds), and after.
WARM_UP, MEASURED = 5.0, 15.0
TARGET = "/orders?sort=-weight"


@dataclass
class Load:
    """Callers that ask again once they have an answer, or when Retry-After says so.

    Attributes:
        seconds: how long each request took, by what was asked for and the status.
    """

    port: int
    seconds: dict[tuple[str, int], list[float]] = field(default_factory=dict)

    async def run(self, callers: int) -> None:
        self.counts_from = time.monotonic() + WARM_UP
        self.until = self.counts_from + MEASURED
        cpu = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.call("/healthz", 0, pause=0.05))
            for number in range(callers):
                tasks.create_task(self.call(TARGET, number / callers))
        print(
            f"\n{callers} callers used {(time.process_time() - cpu) / (WARM_UP + MEASURED):.2f} cores: {self}"
        )

    async def call(self, target: str, delay: float, pause: float = 0) -> None:
        """Use one connection, which must not be lost; from `delay` on, so that not all begin at once."""
        await asyncio.sleep(delay)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while (start := time.monotonic()) < self.until:
            writer.write(request(target))
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            if start > self.counts_from:
                key = target, int(head.split()[1])
                self.seconds.setdefault(key, []).append(time.monotonic() - start)
            retry_after = re.search(rb"Retry-After: (\d+)", head)
            wait = int(retry_after[1]) if retry_after else pause
            await asyncio.sleep(min(wait, max(0, self.until - time.monotonic())))
        writer.close()

    def __str__(self) -> str:
        return ", ".join(
            f"{target} {status}: {len(seconds) / MEASURED:.0f} a second, p99 {p99(seconds):.3f} s"
            for (target, status), seconds in self.seconds.items()
        )


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.99 * len(seconds))]


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("many_files")
def test_1000_callers_get_as_many_answers_from_postgresql_as_100(
    start: Start, served: dict[str, str]
) -> None:
    backend = start("backend", LOGIC="database", **served)
    workers = backend.workers()
    loads: dict[int, list[Load]] = {100: [], 1000: []}
    for _ in range(3):
        for callers, same in loads.items():
            same.append(Load(backend.port))
            asyncio.run(same[-1].run(callers))
    backend.stop()

    answers = {n: median(len(load.seconds[TARGET, 200]) for load in loads[n]) for n in loads}
    print(f"answers with 1000 callers / answers with 100: {answers[1000] / answers[100]:.2f}")
    assert answers[1000] >= 0.8 * answers[100]
    for load in loads[1000]:
        assert {status for _, status in load.seconds} == {200, 503}
        assert p99(load.seconds[TARGET, 503]) < 0.25
        assert max(load.seconds["/healthz", 200]) < 1
    assert backend.workers() == workers, "expected no worker to be replaced"


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("many_files")
def test_1000_callers_get_as_many_answers_from_a_file_as_100(start: Start) -> None:
    target = "/time_zones?latitude__gt=60&sort=-latitude,name&limit=5"
    serves_1000_callers_as_well_as_100(start("backend", LOGIC="database"), target)
