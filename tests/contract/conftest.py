"""One client process for all tests of how it meets a backend that answers badly."""

from collections.abc import Iterator

import pytest

from tests.processes import Service, running
from tests.upstream import Upstream


@pytest.fixture(scope="package")
def client(upstream: Upstream) -> Iterator[Service]:
    with running("client", URL=f"127.0.0.1:{upstream.port}", ANSWER_TIMEOUT="1.5") as it:
        yield it
        assert "Traceback" not in it.log, it.log
