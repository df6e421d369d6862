"""The client processes for all tests of how one meets a backend that answers badly."""

from collections.abc import Iterator

import pytest

from tests.processes import Service, running
from tests.scripted_backend import ScriptedBackend


@pytest.fixture(scope="package")
def client(upstream: ScriptedBackend) -> Iterator[Service]:
    """A client that is patient: a busy machine must not make an answer late."""
    with running("client", URL=f"127.0.0.1:{upstream.port}") as it:
        yield it
        assert "Traceback" not in it.log, it.log


@pytest.fixture(scope="package")
def impatient(upstream: ScriptedBackend) -> Iterator[Service]:
    """A client for tests of backends that are late."""
    with running("client", URL=f"127.0.0.1:{upstream.port}", ANSWER_TIMEOUT="1.5") as it:
        yield it
        assert "Traceback" not in it.log, it.log


@pytest.fixture(scope="package")
def client_of_a_base_path(upstream: ScriptedBackend) -> Iterator[Service]:
    """A client whose URL has a path, which Settings leave without the slash at its end."""
    with running("client", URL=f"http://localhost:{upstream.port}/api/v1/") as it:
        yield it
        assert "Traceback" not in it.log, it.log
