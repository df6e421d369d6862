"""SIGHUP takes up edited code, whatever state it is in; a worker that dies is replaced."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.calls import connect, error, eventually, receive, request
from tests.conftest import Start
from tests.processes import ROOT, Service, running


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code that may be edited."""
    folder = tmp_path_factory.mktemp("code")
    for package in ("backend", "common"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="module")
def edited(code: Path) -> Iterator[Service]:
    """A backend that runs the copy; all tests share it, and leave the code as they found it."""
    with running("backend", code) as service:
        yield service


def reloads(service: Service, text: bytes) -> None:
    service.signal(signal.SIGHUP)
    eventually(f"the answer has {text.decode()}", lambda: text in service.call().body)


def test_an_edit_is_taken_up(code: Path, edited: Service) -> None:
    logic = code / "backend" / "logic" / "hello.py"
    sound = logic.read_text()

    logic.write_text(sound.replace("hello world", "hello again"))
    reloads(edited, b"hello again")

    logic.write_text(sound)
    reloads(edited, b"hello world")


@pytest.mark.parametrize(
    ("name", "broken", "error_name"),
    [
        ("backend/app.py", "def oops(", "SyntaxError"),
        ("backend/settings.py", "import no_such_module", "ModuleNotFoundError"),
        ("common/web.py", "1 / 0", "ZeroDivisionError"),
        ("common/settings.py", "raise RuntimeError('10.0.0.1')", "RuntimeError"),
        ("common/drain.py", "def oops(", "SyntaxError"),
    ],
)
def test_a_broken_edit_is_a_500_until_it_is_mended(
    code: Path, edited: Service, name: str, broken: str, error_name: str
) -> None:
    file = code / name
    sound = file.read_text()

    file.write_text(broken)
    reloads(edited, b"the code does not load")
    assert edited.call().answer == error(500, f"the code does not load: {error_name}", "backend")

    file.write_text(sound)
    reloads(edited, b"hello world")


def test_a_broken_edit_of_the_worker_leaves_the_one_that_works(code: Path, edited: Service) -> None:
    file = code / "common" / "serving" / "worker.py"
    sound = file.read_text()

    file.write_text("def oops(")
    edited.signal(signal.SIGHUP)
    eventually("the log says so", lambda: "the worker stays as it was" in edited.log)
    file.write_text(sound)

    assert edited.call().status == 200


def test_code_that_does_not_load_at_first_does_not_start(tmp_path: Path) -> None:
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "common", tmp_path / "common", ignore=without)
    (tmp_path / "backend").mkdir()
    (tmp_path / "backend" / "__main__.py").write_text((ROOT / "backend" / "__main__.py").read_text())
    (tmp_path / "backend" / "settings.py").write_text((ROOT / "backend" / "settings.py").read_text())
    (tmp_path / "backend" / "app.py").write_text("def oops(")

    with pytest.raises(AssertionError, match="expected backend to start"), running("backend", tmp_path):
        pass


def test_a_worker_that_dies_is_replaced(edited: Service) -> None:
    dead = edited.workers()[-1]

    os.kill(dead, signal.SIGKILL)

    eventually("another worker", lambda: edited.workers()[-1] != dead)
    eventually("an answer", edited.answers)


def ended(service: Service) -> int:
    """Return how many workers have ended."""
    return service.log.count("Worker exiting")


def test_an_edit_is_taken_up_on_a_connection_that_is_kept(code: Path, edited: Service) -> None:
    ends_before = ended(edited)
    logic = code / "backend" / "logic" / "hello.py"
    sound = logic.read_text()

    with connect(edited.port) as caller:
        for number, text in enumerate(("hello there", "hello world"), start=1):
            logic.write_text(sound.replace("hello world", text))
            edited.signal(signal.SIGHUP)
            eventually("the old worker ends", lambda: ended(edited) == ends_before + number)  # noqa: B023

            caller.sendall(request("/"))
            reply = receive(caller)
            assert text.encode() in reply.body
            assert reply.headers["Connection"] == "keep-alive"


def test_what_has_begun_is_finished_by_the_worker_that_retires(start: Start) -> None:
    backend = start("backend")
    body = request("/", "GET", "Content-Length: 5")

    with connect(backend.port, b"GET / HT") as half, connect(backend.port, body + b"he") as unread:
        assert receive(unread).headers["Connection"] == "keep-alive"
        backend.signal(signal.SIGHUP)
        eventually("another worker", lambda: len(backend.workers()) == 2)

        half.sendall(b"TP/1.1\r\nHost: a\r\n\r\n")
        reply = receive(half)
        assert (reply.status, reply.headers["Connection"]) == (200, "close")

        unread.sendall(b"llo" + request("/"))
        assert receive(unread).status == 200
        eventually("the old worker ends", lambda: ended(backend) == 1)


class KeepsCalling:
    """Calls on one connection, which it renews only where it was told to, with pauses in between."""

    def __init__(self, service: Service, pause: float) -> None:
        self.service = service
        self.pause = pause
        self.calls = 0

    def run(self, done: threading.Event) -> None:
        caller = connect(self.service.port)
        while not done.wait(self.pause):
            caller.sendall(request("/"))
            reply = receive(caller)
            assert reply.status == 200
            self.calls += 1
            if reply.headers["Connection"] == "close":
                caller.close()
                caller = connect(self.service.port)
        caller.close()


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU],
        pytest.param([signal.SIGHUP] * 5 + [signal.SIGTTIN, signal.SIGTTOU] * 5, marks=pytest.mark.full),
    ],
    ids=["each once", "each five times"],
)
def test_no_call_is_lost_while_workers_come_and_go(start: Start, signals: list[signal.Signals]) -> None:
    backend = start("backend")
    done = threading.Event()
    callers = [KeepsCalling(backend, pause) for pause in (0, 0, 0.001, 0.01, 0.1, 0.5)]

    with ThreadPoolExecutor(len(callers)) as threads:
        running = [threads.submit(caller.run, done) for caller in callers]
        try:
            for number in signals:
                ends, starts = ended(backend), len(backend.workers())
                backend.signal(number)
                if number != signal.SIGTTOU:
                    eventually("a worker comes", lambda: len(backend.workers()) > starts)  # noqa: B023
                if number != signal.SIGTTIN:
                    eventually("a worker goes", lambda: ended(backend) > ends)  # noqa: B023
                calls = [caller.calls for caller in callers]
                eventually(
                    "every caller goes on",
                    lambda: all(c.calls > n for c, n in zip(callers, calls, strict=True)),  # noqa: B023
                )
        finally:
            done.set()

    for caller in running:
        caller.result()
    assert "Traceback" not in backend.log


def test_a_reload_loses_no_call(edited: Service) -> None:
    ends_before = ended(edited)
    done = threading.Event()

    def calls() -> list[int]:
        statuses = []
        while not done.is_set():
            statuses.append(edited.call().status)
        return statuses

    with ThreadPoolExecutor(4) as threads:
        callers = [threads.submit(calls) for _ in range(4)]
        try:
            for number in range(ends_before + 1, ends_before + 6):
                edited.signal(signal.SIGHUP)
                eventually("the old worker ends", lambda: ended(edited) == number)  # noqa: B023  used at once
        finally:
            done.set()

    for caller in callers:
        assert set(caller.result()) == {200}
