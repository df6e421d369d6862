"""How property tests choose their examples, and fixtures for tests that meet real processes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from tests.processes import Service, running
from tests.scripted_backend import ScriptedBackend, serving

Start = Callable[..., Service]


def pytest_configure(config: pytest.Config) -> None:
    """Choose the examples of every property test: the same each time, or new ones in a full run.

    `make test` must not fail over an example that no change has anything to do with; a full run looks
    for new ones, and prints how to repeat what failed.
    """
    # An example may take longer than usual: other work shares the cores.
    patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("same", patient, derandomize=True)
    settings.register_profile("random", patient, derandomize=False, print_blob=True)
    settings.load_profile("same" if config.option.markexpr == "not full" else "random")


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedBackend]:
    with serving() as it:
        yield it


@pytest.fixture(scope="session")
def backend() -> Iterator[Service]:
    """One for all tests that leave it as it was."""
    with running("backend") as it:
        yield it


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a service with settings: `start("client", URL="…")`."""
    with ExitStack() as stack:
        yield lambda service, **settings: stack.enter_context(running(service, **settings))
