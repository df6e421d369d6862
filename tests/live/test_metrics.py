"""What Prometheus is told, whatever happens to the workers that count."""

import os
import signal
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from pathlib import Path
from time import monotonic

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.calls import PATIENCE, call, connect, eventually
from tests.conftest import RecordProperty, Start
from tests.processes import Service, free_port
from tests.scripted_backend import ScriptedBackend, sends


def samples(port: int) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the values of all metrics, by name and by the labels' values in the order of their names."""
    reply = call(port, "/metrics")
    assert reply.status == 200
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def counts(port: int) -> Counter[str]:
    """Return the number of requests that were counted, by status."""
    found: Counter[str] = Counter()
    for (_, status, _), value in samples(port).get("http_server_request_duration_seconds_count", {}).items():
        found[status] += int(value)
    return found


@pytest.fixture
def metrics_port() -> int:
    return free_port()


def test_requests_are_counted_by_method_route_and_status(start: Start, metrics_port: int) -> None:
    backend = start("backend")
    client = start("client", URL=f"127.0.0.1:{backend.port}", METRICS_PORT=str(metrics_port))
    for target, method in (("/", "GET"), ("/?a=1", "GET"), ("/nothing", "POST"), ("/healthz", "GET")):
        client.call(target, method)

    found = samples(metrics_port)

    assert found["http_server_request_duration_seconds_count"] == {
        ("GET", "200", "/"): 2,
        ("POST", "404", "/<path:_>"): 1,
    }
    assert found["http_client_request_duration_seconds_count"] == {("ok",): 3}
    assert found["http_client_retries_total"] == {(): 0}
    assert found["http_server_active_requests_limit"] == {(): 1000}
    assert found["draining"] == {(): 0}
    [labels] = found["build_info"]
    assert "client" in labels


def test_a_call_that_fails_is_counted_with_its_outcome_and_retries(
    start: Start, upstream: ScriptedBackend, metrics_port: int
) -> None:
    client = start("client", URL=f"127.0.0.1:{upstream.port}", METRICS_PORT=str(metrics_port))

    client.call(upstream.will(sends(b"")))

    found = samples(metrics_port)
    assert found["http_client_request_duration_seconds_count"] == {("broken_off",): 1}
    assert found["http_client_retries_total"][()] == 2


def test_a_scanner_adds_one_series_for_all_that_it_invents(start: Start, metrics_port: int) -> None:
    backend = start("backend", METRICS_PORT=str(metrics_port))
    for n in range(50):
        backend.call(f"/scan/{n}")
        backend.call(f"/scan/{n}", f"BREW{'X' * (n % 10)}")
        with connect(backend.port, b"nonsense %d\r\n\r\n" % n) as caller:
            caller.recv(1000)

    found = samples(metrics_port)

    assert found["http_server_request_duration_seconds_count"] == {
        ("GET", "404", ""): 50,
        ("_OTHER", "404", ""): 50,
        ("_OTHER", "400", ""): 50,
    }
    assert found["http_server_refused_requests_total"] == {("malformed",): 50}


def test_killed_and_reloaded_workers_lose_no_counts_and_leave_no_files(
    start: Start, metrics_port: int
) -> None:
    backend = start("backend", WORKERS="2", METRICS_PORT=str(metrics_port))
    eventually("both workers count", lambda: len(slots(backend)) == 2)
    answered: Counter[str] = Counter()

    def answers(number: int) -> None:
        for _ in range(number):
            answered[str(backend.call("/").status)] += 1

    answers(20)
    os.kill(backend.workers()[-1], signal.SIGKILL)
    eventually("a third worker", lambda: len(backend.workers()) == 3)
    answers(20)
    for number in range(3):
        backend.signal(signal.SIGHUP)
        eventually("two more workers", partial(has_started, backend, 5 + 2 * number))
        answers(10)
        eventually("the old workers have gone", lambda: living(backend) == 2)

    assert counts(metrics_port) == answered
    assert answered == {"200": 70}
    assert len(slots(backend)) <= 4
    assert len(list((backend.folder / f"metrics-{metrics_port}").iterdir())) <= 4 * len(slots(backend))


@pytest.mark.full
def test_twenty_reloads_and_three_killed_workers_under_load_lose_no_counts_and_leave_no_files(
    start: Start, metrics_port: int, record_property: RecordProperty
) -> None:
    backend = start("backend", WORKERS="3", METRICS_PORT=str(metrics_port))
    eventually("all workers count", lambda: len(slots(backend)) == 3)
    answered: Counter[str] = Counter()
    failed: Counter[str] = Counter()  # on a connection of a worker that was killed
    stop = threading.Event()

    def calls() -> None:
        while not stop.is_set():
            try:
                answered[str(backend.call("/").status)] += 1
            except (OSError, HTTPException) as error:
                failed[type(error).__name__] += 1

    def files() -> int:
        return len(list((backend.folder / f"metrics-{metrics_port}").iterdir()))

    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(calls) for _ in range(4)]
        try:
            for number in range(20):
                before = len(backend.workers())
                backend.signal(signal.SIGHUP)
                eventually("three more workers", partial(has_started, backend, before + 3))
                if number % 7 == 5:
                    before = len(backend.workers())
                    os.kill(backend.workers()[-1], signal.SIGKILL)
                    eventually("another worker", partial(has_started, backend, before + 1))
                if number == 10:
                    eventually("old workers have gone", lambda: living(backend) == 3)
                    half = files()
        finally:
            stop.set()
        for caller in callers:
            caller.result()

    record_property("sent", answered.total())
    eventually("old workers have gone", lambda: living(backend) == 3)
    assert answered.keys() == {"200"}
    # A worker that is killed may have counted an answer that its caller then did not get.
    assert 0 <= counts(metrics_port)["200"] - answered["200"] <= failed.total() <= 12
    assert files() <= half + 4, "expected at most one slot more, for two reloads that overlap"


def living(service: Service) -> int:
    """Return how many workers there are."""
    return len(set(service.workers()) & set(children(service.process.pid)))


def has_started(service: Service, workers: int) -> bool:
    return len(service.workers()) >= workers


def slots(service: Service) -> list[Path]:
    """Return the locks of the slots that workers count in."""
    return list(service.folder.glob("metrics-*/slot-*"))


def test_metrics_are_answered_while_it_drains_and_scrapers_that_hang_are_not_waited_for(
    start: Start, metrics_port: int
) -> None:
    backend = start("backend", METRICS_PORT=str(metrics_port))
    (backend.folder / "draining").touch()
    hanging = [socket.create_connection(("127.0.0.1", metrics_port), PATIENCE) for _ in range(4)]

    assert samples(metrics_port)["draining"] == {(): 1}

    began = monotonic()
    backend.stop()
    assert monotonic() - began < PATIENCE
    for each in hanging:
        each.close()
    with pytest.raises(ConnectionError):
        eventually("it ends, too", lambda: not call(metrics_port, "/metrics"))


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_process_that_answers_is_started_again_where_it_ends_alone(
    start: Start, metrics_port: int
) -> None:
    backend = start("backend", METRICS_PORT=str(metrics_port))
    backend.call("/")
    assert counts(metrics_port) == {"200": 1}, "and so there is a process that answers"
    [keeper] = set(children(backend.process.pid)) - set(backend.workers())
    [server] = children(keeper)

    os.kill(server, signal.SIGKILL)

    eventually("another process", lambda: children(keeper) not in ([], [server]))
    assert counts(metrics_port) == {"200": 1}


def test_a_taken_port_is_named(start: Start, metrics_port: int) -> None:
    with (
        socket.create_server(("127.0.0.1", metrics_port)),
        pytest.raises(AssertionError) as refused,
    ):
        start("backend", METRICS_PORT=str(metrics_port))
    assert f"HOST=127.0.0.1 METRICS_PORT={metrics_port}: cannot listen: Address already in use" in str(
        refused.value
    )


def test_a_service_without_a_metrics_port_counts_nothing(backend: Service) -> None:
    assert "METRICS_PORT=0" in backend.log
    assert backend.call("/").status == 200
    assert not slots(backend)


def test_a_scrape_every_moment_fails_no_request(start: Start, metrics_port: int) -> None:
    backend = start("backend", METRICS_PORT=str(metrics_port))
    stop = threading.Event()

    def scrape() -> None:
        while not stop.wait(0.1):
            call(metrics_port, "/metrics")

    scraper = threading.Thread(target=scrape)
    scraper.start()
    statuses = {backend.call("/").status for _ in range(50)}
    stop.set()
    scraper.join()

    assert statuses == {200}
