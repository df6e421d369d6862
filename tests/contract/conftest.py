"""One client process for all tests of how it meets a backend that answers badly."""

from collections.abc import Iterator

import pytest

from tests.processes import Service, running
from tests.scripted_backend import ScriptedBackend


@pytest.fixture(scope="package")
def client(upstream: ScriptedBackend) -> Iterator[Service]:
    with running("client", URL=f"127.0.0.1:{upstream.port}", ANSWER_TIMEOUT="1.5") as it:
        yield it
        assert "Traceback" not in it.log, it.log
