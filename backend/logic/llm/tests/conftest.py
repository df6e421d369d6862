"""A scripted endpoint, a backend that calls it, and a client of that."""

from collections.abc import Iterator

import pytest

from backend.logic.llm.tests.scripted_endpoint import Endpoint
from tests.processes import ROOT, Service, running
from tests.scripted_backend import serving


@pytest.fixture(scope="module")
def only_endpoint() -> Iterator[Endpoint]:
    with serving() as upstream:
        yield Endpoint(upstream)


@pytest.fixture
def endpoint(only_endpoint: Endpoint) -> Endpoint:
    only_endpoint.forget()
    return only_endpoint


@pytest.fixture(scope="module")
def backend(only_endpoint: Endpoint) -> Iterator[Service]:
    with running("backend", ROOT, **only_endpoint.settings, ANSWER_TIMEOUT="2") as it:
        yield it
        assert "hunter2" not in it.log
        assert "secret prompt" not in it.log


@pytest.fixture(scope="module")
def client(backend: Service) -> Iterator[Service]:
    with running("client", ROOT, URL=f"127.0.0.1:{backend.port}") as it:
        yield it
