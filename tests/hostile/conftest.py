"""Both services, and what must hold after every attack."""

from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.processes import Service, running
from tests.scripted_backend import HELLO, ScriptedBackend, sends_and_stays, serving

QUICK = 1.0  # seconds


@pytest.fixture(scope="package")
def upstream() -> Iterator[ScriptedBackend]:
    """A backend that answers every request alike and records it."""
    with serving() as scripted:
        scripted.behaviours = defaultdict(lambda: (sends_and_stays(HELLO),))
        yield scripted


@pytest.fixture(scope="package")
def backend() -> Iterator[Service]:
    with running("backend") as service:
        yield service


@pytest.fixture(scope="package")
def client(upstream: ScriptedBackend) -> Iterator[Service]:
    with running("client", URL=f"127.0.0.1:{upstream.port}") as service:
        yield service


@pytest.fixture(params=["backend", "client"])
def service(request: pytest.FixtureRequest) -> Service:
    """Each service in turn."""
    service = request.getfixturevalue(request.param)
    assert isinstance(service, Service)
    return service


@pytest.fixture(autouse=True)
def unharmed(service: Service, upstream: ScriptedBackend) -> Iterator[None]:
    """Check that the worker survived, that nothing was raised, and what the backend saw of the calls."""
    workers, logged = service.workers(), len(service.log)
    upstream.requests.clear()
    yield
    assert service.call("/").status == 200
    assert service.call("/healthz").seconds < QUICK
    assert service.workers() == workers, "expected no worker to be replaced"
    assert "Traceback" not in service.log[logged:]
    heads = [head for seen in upstream.requests.values() for head in seen]
    allowed = {
        b"Accept: application/json",
        b"Accept-Encoding: gzip",
        b"User-Agent: client",
        f"Host: 127.0.0.1:{upstream.port}".encode(),
    }
    for head in heads:
        line, *headers = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        assert line.startswith((b"GET / ", b"GET /?")), head
        assert len(headers) == 4, head
        assert set(headers) == allowed, head
