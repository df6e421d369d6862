"""The examples of property tests, what is kept of a full run, and fixtures for tests with real processes."""

import resource
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, settings

from tests import survived
from tests.processes import Service, running
from tests.scripted_backend import ScriptedBackend, serving

Start = Callable[..., Service]
RecordProperty = Callable[[str, object], None]


def pytest_configure(config: pytest.Config) -> None:
    """Choose the examples of all property tests: the same every time, or new ones in a full run.

    `make test` must not fail by chance; a full run looks for new failures, and prints how to repeat one.
    """
    # An example may take longer than usual: other work shares the cores.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("same", patient, derandomize=True)
    settings.register_profile("random", patient, derandomize=False, print_blob=True)
    settings.load_profile("same" if config.option.markexpr == "not full" else "random")


def pytest_runtest_call() -> None:
    """Let gevent look at the clock, which its loop does only while it runs: limits would be over already."""
    gevent.get_hub().loop.update_now()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--keep", action="store_true", help="keep in tests/results.md what was tried and survived"
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Keep what was tried and survived, if everything passed."""
    if config.option.keep and exitstatus == pytest.ExitCode.OK:
        counts = survived.counted(terminalreporter.stats["passed"])
        complete = config.args == ["tests", "backend"] and "deselected" not in terminalreporter.stats
        survived.keep(counts, complete=complete)  # as `make e2e-full` calls it


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedBackend]:
    with serving() as scripted:
        yield scripted


@pytest.fixture(scope="session")
def backend() -> Iterator[Service]:
    """One backend for all tests that do not change its state."""
    with running("backend") as service:
        yield service


@pytest.fixture(scope="session")
def ending() -> Iterator[deque[Callable[[], None]]]:
    """What waits for the services that a test has left, called at the end of the next tests that start some.

    By then they have ended: no test waits for the third of a second that an end takes.
    """
    waits: deque[Callable[[], None]] = deque()
    yield waits
    for wait in waits:
        wait()


@pytest.fixture
def start(request: pytest.FixtureRequest, ending: deque[Callable[[], None]]) -> Iterator[Start]:
    """Return a function that starts a service: `start("client", URL="…")`."""
    services: list[Service] = []
    with ExitStack() as stack:

        def start(service: str, **settings: Any) -> Service:
            services.append(stack.enter_context(running(service, **settings)))
            return services[-1]

        yield start
        left = [each for each in services if each.process.poll() is None]
        for each in left:
            each.signal(signal.SIGTERM)
            sys.stdout.write(each.log)  # pytest shows it where a test fails
        later = stack.pop_all()

    def wait() -> None:
        with later:
            for each in left:
                code = each.ends()
                assert code == 0, f"{code} after {request.node.nodeid}:\n{each.log}"

    ending.append(wait)
    if len(ending) > 1:
        ending.popleft()()


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process hold thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
