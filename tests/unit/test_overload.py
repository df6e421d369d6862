"""What counts as too late, on a clock of the tests' own."""

import pytest
from gunicorn.config import Config

from common.serving import overload as overload_module
from common.serving.access_log import AccessLogger
from common.serving.log_lines import LogLines
from common.serving.log_stream import LogStream
from common.serving.overload import BURST, INTERVAL, MAX_WAIT, Overload

LINES = LogLines("backend", "pod", is_json=True)
LATE = MAX_WAIT + 0.01


class Clock:
    """The time, and this process's."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.work = 10.0

    def works(self, seconds: float) -> None:
        self.now += seconds
        self.work += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    it = Clock()
    monkeypatch.setattr(overload_module, "monotonic", lambda: it.now)
    monkeypatch.setattr(overload_module, "thread_time", lambda: it.work)
    return it


@pytest.fixture
def overload(clock: Clock) -> Overload:
    """With a queue that has not been empty for longer than a burst may take."""
    it = Overload("backend", lambda _: False, AccessLogger(Config(), LogStream(1, LINES)))
    first = it.join()
    it.join()
    assert not it.is_late(first)
    clock.works(BURST + 0.01)
    return it


def test_who_waits_in_a_queue_that_is_never_empty_is_late(overload: Overload, clock: Clock) -> None:
    one, other = overload.join(), overload.join()
    clock.works(MAX_WAIT - 0.01)
    assert not overload.is_late(one)

    clock.works(0.02)

    assert overload.is_late(other)


def test_a_burst_is_not_late_until_it_takes_too_long(overload: Overload, clock: Clock) -> None:
    overload.is_late(overload.join())  # and now the queue is empty
    clock.now += 60
    burst = [overload.join() for _ in range(3)]
    clock.works(BURST - 0.01)
    assert not overload.is_late(burst[0])

    clock.works(0.02)

    assert overload.is_late(burst[1])


def test_nobody_is_late_where_nobody_else_waits(overload: Overload, clock: Clock) -> None:
    overload.is_late(overload.join())
    for _ in range(10):
        alone = overload.join()
        clock.now += LATE
        assert not overload.is_late(alone)
        clock.works(LATE)


def test_who_waits_while_the_process_gets_no_core_is_not_late(overload: Overload, clock: Clock) -> None:
    waiting = [overload.join() for _ in range(3)]
    clock.now += 60
    clock.work += MAX_WAIT - 0.01

    assert not any(map(overload.is_late, waiting))


def test_the_cpu_time_is_looked_at_a_hundred_times_a_second_at_most(
    overload: Overload, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def look() -> float:
        looks.append(clock.now)
        return clock.work

    monkeypatch.setattr(overload_module, "thread_time", look)
    for _ in range(1000):
        clock.works(INTERVAL / 10)
        overload.is_late(overload.join())

    assert 90 <= len(looks) <= 101


def test_the_time_of_refusals_is_no_wait(overload: Overload, clock: Clock) -> None:
    place = overload.join()
    for _ in range(200):
        began = clock.now
        clock.works(LATE / 200)
        overload.count(began)

    assert not overload.is_late(place)


def test_a_refusal_that_takes_long_is_a_wait(overload: Overload, clock: Clock) -> None:
    place, began = overload.join(), clock.now
    clock.works(LATE)
    overload.count(began)

    assert overload.is_late(place)
