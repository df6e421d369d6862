"""Both services together."""

from tests.calls import eventually
from tests.conftest import Start
from tests.processes import Service

HELLO = {"status_code": 200, "message": "hello world"}


def test_the_client_answers_with_what_the_backend_says(start: Start, backend: Service) -> None:
    client = start("client", URL=f"localhost:{backend.port}")

    assert backend.call().answer == (200, HELLO | {"source": "backend"})
    assert client.call().answer == (200, HELLO | {"source": "client"})


def test_both_serve_over_ipv6(start: Start) -> None:
    backend = start("backend", HOST="[::1]")
    client = start("client", URL=f"[::1]:{backend.port}", HOST="[::1]")

    assert client.call().answer == (200, HELLO | {"source": "client"})


def test_the_client_finds_a_backend_that_was_stopped_and_started(start: Start) -> None:
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


def test_the_log_has_a_line_per_request_unless_told_otherwise(start: Start, backend: Service) -> None:
    quiet = start("backend", ACCESS_LOG="false")

    for service in (backend, quiet):
        service.call("/?who=me")

    eventually("a log line", lambda: '"GET /?who=me HTTP/1.1" 200' in backend.log)
    quiet.stop()
    assert "GET" not in quiet.log


def test_the_log_leaves_probes_out(backend: Service) -> None:
    backend.call("/healthz")
    backend.call("/?after=probe")

    eventually("a log line", lambda: '"GET /?after=probe HTTP/1.1" 200' in backend.log)
    assert "/healthz" not in backend.log


def test_a_quote_does_not_end_a_field_of_a_log_line(backend: Service) -> None:
    backend.call("/?agent=quoted", "GET", 'User-Agent: a"b')

    eventually("a log line", lambda: '/?agent=quoted HTTP/1.1" 200 63 "-" "a\\"b"' in backend.log)
