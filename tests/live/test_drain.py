"""The draining flag, which the preStop hook makes: callers move away before the process stops."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.calls import connect, error, eventually, receive, request
from tests.processes import Service


@pytest.fixture
def flag(backend: Service) -> Iterator[Path]:
    """The backend's flag; removed at the end, since other tests use the backend too."""
    path = backend.folder / "draining"
    yield path
    path.unlink(missing_ok=True)
    eventually("its absence is noticed", lambda: backend.call("/readyz").status == 200)


def drain(backend: Service, flag: Path) -> None:
    flag.touch()
    eventually("the flag is noticed", lambda: backend.call("/readyz").status == 503)


def test_a_connection_is_kept_until_the_service_drains(backend: Service, flag: Path) -> None:
    with connect(backend.port) as caller:
        for _ in range(2):
            caller.sendall(request("/healthz"))
            assert receive(caller).headers["Connection"] == "keep-alive"

        drain(backend, flag)

        caller.sendall(request("/healthz"))
        assert receive(caller).headers["Connection"] == "close"
        assert caller.recv(1) == b"", "expected the service to close the connection"


def test_a_draining_service_goes_on_answering_but_is_not_ready(backend: Service, flag: Path) -> None:
    drain(backend, flag)

    assert [backend.call(target).status for target in ("/", "/healthz")] == [200, 200]
    assert backend.call("/readyz").answer == error(503, "draining: this process is about to stop", "backend")


def test_the_flag_of_an_earlier_process_does_not_count(backend: Service, flag: Path) -> None:
    assert not flag.exists(), "expected the start to remove the flag that the fixture had left"
    assert backend.call("/readyz").status == 200
