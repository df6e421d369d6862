"""Both services together."""

from tests.calls import eventually
from tests.conftest import Start
from tests.processes import Service

HELLO = {"status_code": 200, "message": "hello world"}


def test_the_client_passes_on_the_backends_answer(start: Start, backend: Service) -> None:
    client = start("client", URL=f"localhost:{backend.port}")

    assert backend.call().answer == (200, HELLO | {"source": "backend"})
    assert client.call().answer == (200, HELLO | {"source": "client"})


def test_both_serve_over_ipv6(start: Start) -> None:
    backend = start("backend", HOST="[::1]")
    client = start("client", URL=f"[::1]:{backend.port}", HOST="[::1]")

    assert client.call().answer == (200, HELLO | {"source": "client"})


def test_the_client_reaches_a_backend_that_was_restarted(start: Start) -> None:
    backend = start("backend")
    client = start("client", URL=f"127.0.0.1:{backend.port}")
    assert client.call().status == 200

    backend.stop()
    start("backend", PORT=str(backend.port))

    assert client.call().status == 200


def test_a_service_is_healthy_and_ready(backend: Service) -> None:
    for probe, message in (("/healthz", "healthy"), ("/readyz", "ready")):
        assert backend.call(probe).answer == (
            200,
            {"status_code": 200, "message": message, "source": "backend"},
        )


def test_each_request_is_logged_unless_access_log_is_false(start: Start, backend: Service) -> None:
    quiet = start("backend", ACCESS_LOG="false")

    for service in (backend, quiet):
        service.call("/?who=me")

    eventually("a log line", lambda: backend.requests(path="/", parameters=["who"], status=200))
    quiet.stop()
    assert "GET" not in quiet.log


def test_probes_are_not_logged(backend: Service) -> None:
    backend.call("/healthz")
    backend.call("/?after_probe=1")

    eventually("a log line", lambda: backend.requests(parameters=["after_probe"]))
    assert "/healthz" not in backend.log
