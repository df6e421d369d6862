"""Databases that live in this process: their queries run in threads, and other requests meanwhile go on."""

from collections.abc import Callable
from typing import Any, TypeVar

from gevent.threadpool import ThreadPool

from backend.threads import outcome

Result = TypeVar("Result")

# How often a query that has to stop is told so, since one that is about to start does not hear it (seconds).
INTERRUPT_INTERVAL = 0.05


class Running:
    """A function that runs in a thread."""

    def __init__(self, pool: ThreadPool, function: Callable[[], object]) -> None:
        self.thread = pool.spawn(outcome, function)
        self.wait: Callable[[float], object] = self.thread.wait
        self.ended: Callable[[], bool] = self.thread.ready

    def result(self) -> Any:  # noqa: ANN401  the function's
        """Wait for the function's end; return what it returned, or raise what it raised."""
        result, error = self.thread.get()
        if error:
            raise error
        return result


def run_in_thread(
    pool: ThreadPool, function: Callable[[], Result], interrupt: Callable[[], object]
) -> Result:
    """Return what a function returns that runs in a thread.

    Whatever ends the wait for it (a time limit, the caller's hang-up) interrupts it, and returns or
    raises only once it has ended: threads that nobody waits for would take the place of others.
    """
    running = Running(pool, function)
    try:
        result: Result = running.result()
        return result
    finally:
        while not running.ended():
            interrupt()
            running.wait(INTERRUPT_INTERVAL)
