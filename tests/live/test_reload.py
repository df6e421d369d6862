"""SIGHUP takes up edited code, whatever state it is in; a worker that dies is replaced."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.calls import error, eventually
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
    with running("backend", code) as it:
        yield it


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
    shutil.copytree(ROOT / "common", tmp_path / "common")
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
