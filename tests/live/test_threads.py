"""What a logic runs in threads leaves the others served, however long it takes."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from backend.threads import MAX_THREADS, in_thread
from tests.calls import JSON, PATIENCE, Reply, connect, error, eventually, receive, request
from tests.conftest import Start
from tests.processes import Service

# `read` waits in C, where gevent cannot help, until the test writes what it is to answer.
WORK = """
import sys
from time import monotonic

from flask import Blueprint, request
from werkzeug.exceptions import Conflict

from backend.threads import in_thread

work = Blueprint("work", __name__)


@work.get("/")
def index():
    return {}


@work.post("/read/<int:number>")
@in_thread
def read(number):
    with open(request.get_json()["file"]) as file:
        print("opens", flush=True)
        return {"message": file.read(), "number": number, "query": request.args["a"]}


@work.get("/compute/<int:seconds>")
@in_thread
def compute(seconds):
    print("computes", flush=True)
    until = monotonic() + seconds
    while monotonic() < until:
        pass
    return {}


@work.get("/fail/<how>")
@in_thread
def fail(how):
    if how == "exit":
        sys.exit(3)
    raise Conflict("taken") if how == "conflict" else RuntimeError("oops")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ours.py").write_text(WORK)
    return tmp_path


@pytest.fixture
def working(start: Start, folder: Path) -> Callable[..., Service]:
    """Return a function that starts a backend with the logic."""
    return lambda **settings: start("backend", LOGIC="ours:work", PYTHONPATH=str(folder), **settings)


@contextmanager
def reading(
    backend: Service, folder: Path, number: int
) -> Iterator[tuple[list[Future[Reply]], Callable[[], None]]]:
    """Yield the calls that read what nobody has written yet, and a function that writes it to all."""
    pipes = [folder / f"pipe{n}" for n in range(number)]
    for pipe in pipes:
        os.mkfifo(pipe)

    def call(n: int) -> Reply:
        body = json.dumps({"file": str(pipes[n])}).encode()
        return backend.call(f"/read/{n}?a=b", "POST", JSON, body=body)

    # Open for both, so that neither side waits for the other to open it.
    ends = [os.open(pipe, os.O_RDWR) for pipe in pipes]

    def write() -> None:
        while ends:
            os.write(ends[-1], b"read")
            os.close(ends.pop())

    with ThreadPoolExecutor(number) as callers:
        calls = [callers.submit(call, n) for n in range(number)]
        try:
            eventually("all wait", lambda: backend.log.count('"opens"') == number)
            yield calls, write
        finally:
            write()


def test_what_waits_in_a_thread_leaves_the_others_served_and_has_its_request(
    working: Callable[..., Service], folder: Path
) -> None:
    backend = working()
    with reading(backend, folder, 2) as (calls, write):
        assert backend.call("/").status == 200
        assert backend.call("/healthz").status == 200
        write()
        replies = [call.result().answer[1] for call in calls]

    assert replies == [
        {"status_code": 200, "message": "read", "source": "backend", "number": n, "query": "b"}
        for n in (0, 1)
    ]


def test_beyond_the_threads_there_are_it_is_a_503_until_one_ends(
    working: Callable[..., Service], folder: Path
) -> None:
    backend = working()
    with reading(backend, folder, MAX_THREADS) as (calls, write):
        refused = backend.call("/compute/0")
        exc = f"more than {MAX_THREADS} threads of the logic at once"
        assert refused.answer == error(503, exc, "backend")
        assert refused.headers["Retry-After"] == "1"
        write()
        assert [call.result().status for call in calls] == [200] * MAX_THREADS

    assert backend.call("/compute/0").status == 200


def test_what_takes_too_long_is_a_504_and_its_thread_is_busy_until_it_ends(
    working: Callable[..., Service], folder: Path
) -> None:
    backend = working(ANSWER_TIMEOUT="1")
    with reading(backend, folder, MAX_THREADS) as (calls, write):
        exc = "the logic did not answer within 1 s; the POST may have been executed"
        assert [call.result().answer for call in calls] == [error(504, exc, "backend")] * MAX_THREADS
        assert backend.call("/compute/0").status == 503
        write()
        eventually("a thread is free", lambda: backend.call("/compute/0").status == 200)


@pytest.mark.parametrize(
    "seconds",
    [3, pytest.param(35, marks=pytest.mark.full)],  # gunicorn would kill a worker after 30
)
def test_while_a_thread_computes_others_are_answered_and_the_worker_lives(
    working: Callable[..., Service], seconds: int
) -> None:
    backend = working(ANSWER_TIMEOUT="60")
    with ThreadPoolExecutor(1) as callers, connect(backend.port, request(f"/compute/{seconds}")) as caller:
        caller.settimeout(seconds + PATIENCE)
        computing = callers.submit(receive, caller)
        eventually("it computes", lambda: "computes" in backend.log)
        meanwhile = []
        while not computing.done():
            meanwhile += [backend.call("/"), backend.call("/healthz")]

    assert computing.result().status == 200
    assert {reply.status for reply in meanwhile} == {200}
    print(f"{len(meanwhile)} answers, the slowest after {max(reply.seconds for reply in meanwhile):.3f} s")
    assert len(meanwhile) > 2 * seconds
    assert len(backend.workers()) == 1


def test_a_stop_waits_for_the_answer_but_not_for_the_thread(working: Callable[..., Service]) -> None:
    backend = working(ANSWER_TIMEOUT="1")
    with ThreadPoolExecutor(1) as callers:
        computing = callers.submit(backend.call, "/compute/60")
        eventually("it computes", lambda: "computes" in backend.log)
        backend.signal(signal.SIGTERM)

        assert computing.result().status == 504
    assert backend.ends() == 0
    assert "SIGKILL" not in backend.log


def test_a_function_that_yields_cannot_run_in_a_thread() -> None:
    def words() -> Iterator[dict[str, str]]:
        yield {}

    with pytest.raises(TypeError, match="@in_thread words: it yields; allowed: a function that returns"):
        in_thread(words)


def test_what_a_thread_raises_is_answered_as_elsewhere(working: Callable[..., Service]) -> None:
    backend = working()
    internal = "internal error; the service's log has the details"

    assert backend.call("/fail/conflict").answer == error(409, "taken", "backend")
    assert "Traceback" not in backend.log
    assert backend.call("/fail/oops").answer == error(500, internal, "backend")
    assert backend.log.count("Traceback") == 1
    assert backend.call("/fail/exit").answer == error(500, internal, "backend")
    assert "work.fail raised SystemExit(3); expected a mapping" in backend.log
    assert backend.log.count("Traceback") == 1
