"""The examples of property tests, and fixtures for tests with real processes."""

import resource
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from tests.processes import Service, running
from tests.scripted_backend import ScriptedBackend, serving

Start = Callable[..., Service]


def pytest_configure(config: pytest.Config) -> None:
    """Choose the examples of all property tests: the same every time, or new ones in a full run.

    `make test` must not fail by chance; a full run looks for new failures, and prints how to repeat one.
    """
    # An example may take longer than usual: other work shares the cores.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("same", patient, derandomize=True)
    settings.register_profile("random", patient, derandomize=False, print_blob=True)
    settings.load_profile("same" if config.option.markexpr == "not full" else "random")


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedBackend]:
    with serving() as scripted:
        yield scripted


@pytest.fixture(scope="session")
def backend() -> Iterator[Service]:
    """One backend for all tests that do not change its state."""
    with running("backend") as service:
        yield service


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a service: `start("client", URL="…")`."""
    with ExitStack() as stack:
        yield lambda service, **settings: stack.enter_context(running(service, **settings))


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process hold thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
