"""Fixtures for every test that meets real processes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.processes import Service, running
from tests.scripted_backend import ScriptedBackend, serving

Start = Callable[..., Service]


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
