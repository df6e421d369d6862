"""A process that cannot keep up refuses what has waited for too long, and goes on with the rest."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.calls import connect, error, receive, request
from tests.conftest import Start
from tests.hostile.answers import received
from tests.processes import ROOT, Service, running

BUSY = error(503, "busy: this request waited for 0.15 s of other work", "backend")
# More than a burst may be, of 10 ms each.
MANY = 200
# Keeps the process busy and never waits, like SQLite.
WORK = """
from time import thread_time

def answer(query):
    until = thread_time() + float(query.get("seconds", 0.01))
    while thread_time() < until:
        pass
    return {"message": "done"}
"""
HEAD = b"Host: test\r\n\r\n"
KINDS = [
    request("/"),
    b"GET / HTTP/1.0\r\n" + HEAD,
    b"HEAD / HTTP/1.1\r\n" + HEAD,
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\n" + HEAD + b"hello",
    b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"0\r\n\r\n",
    b"GET / HTTP/1.1\r\nConnection: close\r\n" + HEAD,
    b"GET http://test/ HTTP/1.1\r\n" + HEAD,
]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A backend whose answers take 10 ms of work each."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "work.py").write_text(WORK)
    with running("backend", LOGIC="work:answer", PYTHONPATH=str(folder)) as service:
        yield service


def statuses(service: Service, *requests: bytes) -> list[int]:
    """The statuses of requests that are sent at once, each on a connection of its own."""
    with ExitStack() as stack:
        callers = [stack.enter_context(connect(service.port)) for _ in requests]
        for caller in callers:  # each is accepted
            caller.sendall(request("/healthz"))
            assert receive(caller).status == 200
        for caller, sent in zip(callers, requests, strict=True):
            caller.sendall(sent)
        replies = [
            receive(caller, sent.split()[0].decode()) for caller, sent in zip(callers, requests, strict=True)
        ]
        for reply in replies:
            if reply.status == 503 and reply.body:
                assert reply.answer == BUSY
            assert (reply.headers["Retry-After"] == "1") == (reply.status == 503)
        kept = [
            caller
            for caller, reply in zip(callers, replies, strict=True)
            if reply.headers["Connection"] != "close"
        ]
        for caller in kept:
            caller.sendall(request("/healthz"))
            assert receive(caller).status == 200, "expected the connection to go on"
    return [reply.status for reply in replies]


def test_requests_that_wait_for_too_long_are_refused_and_probes_are_not(busy: Service) -> None:
    logged = len(busy.requests(path="/", status=503))

    answers = statuses(busy, *[request("/healthz"), *[request("/")] * 9] * (MANY // 10))

    assert answers[::10] == [200] * (MANY // 10)
    assert set(answers) == {200, 503}
    assert answers.count(503) > MANY // 4
    assert len(busy.requests(path="/", status=503)) - logged == answers.count(503)


def test_whatever_asks_is_refused_where_it_is_late(busy: Service) -> None:
    answers = statuses(busy, *KINDS * (MANY // len(KINDS)))

    for number, kind in enumerate(KINDS):
        assert 503 in answers[number :: len(KINDS)], kind


def test_a_caller_whose_requests_take_long_is_answered_where_nobody_else_asks(busy: Service) -> None:
    last = request("/?seconds=0.2", "GET", "Connection: close")
    with connect(busy.port, request("/?seconds=0.2") * 5 + last) as caller:
        assert received(caller).count(b"HTTP/1.1 200 OK") == 6


def measured(service: Service, target: str, callers: int) -> dict[str, Any]:
    """What closed-loop callers saw, whose CPU is not this process's."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.closed_loop", str(service.port), target, str(callers), "10"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    print(f"\n{callers} callers: {report}")
    return report


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("many_files")
def test_1000_callers_get_as_many_answers_as_100(start: Start) -> None:
    serves_1000_callers_as_well_as_100(start("backend"), "/")


def serves_1000_callers_as_well_as_100(backend: Service, target: str) -> None:
    workers = backend.workers()

    few, many = [], []
    for _ in range(3):
        few.append(measured(backend, target, 100))
        many.append(measured(backend, target, 1000))

    def median(reports: list[dict[str, Any]], name: str) -> float:
        return float(statistics.median(report[name] for report in reports))

    assert [report["others"] for report in few + many] == [[]] * 6, "expected nobody's request to be cut off"
    assert max(report["probes_max"] for report in many) < 1
    assert backend.workers() == workers, "expected no worker to be replaced"
    assert median(many, "refusals_p99") < 0.5  # half of it where nothing else needs the cores
    assert median(many, "answered") >= 0.8 * median(few, "answered")
