"""Both services, and what must hold after every attack."""

import re
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import pytest

from common.contract import RESERVED_PATHS
from tests.processes import Service, running
from tests.scripted_backend import ScriptedBackend, as_json, sends_and_stays, serving

# What it calls for itself, without a caller's query.
DESCRIPTION = b"GET /base/openapi.json HTTP/1.1"
ANSWER = {"status_code": 200, "message": "hello", "source": "backend", "openapi": "3.1.0", "paths": {}}
# Most of it is for busy cores; whoever is held up waits until the attack is over, or for ever (seconds).
QUICK = 5.0
MAX_MIB = 160  # of a Pod's 192
ALLOWED = {
    *("Host", "Accept", "Accept-Encoding", "User-Agent", "Content-Type", "Content-Length"),
    *("traceparent", "tracestate", "X-Request-ID", "Idempotency-Key", "Authorization"),
    *("Accept-Language", "If-None-Match", "If-Match"),
}


@pytest.fixture(scope="package")
def upstream() -> Iterator[ScriptedBackend]:
    """A backend that answers every request alike and records it."""
    with serving() as scripted:
        scripted.behaviours = defaultdict(lambda: (sends_and_stays(as_json(200, ANSWER)),))
        yield scripted


@pytest.fixture(scope="package")
def backend() -> Iterator[Service]:
    with running("backend", LOGIC="tests.shop:shop") as service:
        yield service


@pytest.fixture(scope="package")
def client(upstream: ScriptedBackend) -> Iterator[Service]:
    with running("client", URL=f"http://127.0.0.1:{upstream.port}/base") as service:
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
    assert service.peak_mib() < MAX_MIB
    for seen in upstream.requests.values():
        for head in seen:
            check_passed_on(head, upstream.port)


def check_passed_on(head: bytes, port: int) -> None:
    """Check that a request is one that the client may make, whatever it was asked for."""
    line, *headers = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    start = re.fullmatch(rb"(GET|HEAD|POST|PUT|PATCH|DELETE) /base(/[!-~]*) HTTP/1\.1", line)
    assert start, head
    path = start[2].partition(b"?")[0]
    while True:
        segments = path.split(b"/")
        assert not {b".", b".."}.intersection(segments), head
        assert not path.startswith(b"//"), head
        assert b"\\" not in path, head
        assert line == DESCRIPTION or path.rstrip(b"/").decode(errors="replace") not in RESERVED_PATHS, head
        path, encoded = unquote_to_bytes(path), path
        if path == encoded:
            break
    names = [header.partition(b": ")[0].decode() for header in headers]
    assert len(set(names)) == len(names), head
    assert {"Host", "Accept", "Accept-Encoding", "User-Agent"} <= set(names), head
    assert set(names) <= ALLOWED, head
    assert f"Host: 127.0.0.1:{port}".encode() in headers, head
