"""`make run`: both services on this machine, for those who edit them."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from socket import create_server
from time import sleep

import pytest

from tests.calls import call, error, eventually
from tests.pairs import MAKE, RUN, Pair, running, starting
from tests.processes import ROOT, Service, free_port

HELLO = {"status_code": 200, "message": "hello world"}
LOGIC = """
import time

def answer(query):
    print("called")
    if "seconds" not in query:
        raise RuntimeError("oops")
    time.sleep(float(query["seconds"]))
    return {"message": "slept"}
"""


@pytest.fixture(scope="module", autouse=True)
def port_8080_is_taken() -> Iterator[None]:
    """Occupy port 8080, or two runs on this machine might choose it at the same time."""
    with suppress(OSError), create_server(("127.0.0.1", 8080)):
        yield
        return
    yield


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code that may be edited."""
    folder = tmp_path_factory.mktemp("code")
    for package in ("backend", "client", "common"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run.py", folder)
    (folder / "sleepy.py").write_text(LOGIC)
    return folder


@pytest.fixture(scope="module")
def pair(code: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with running(code, tmp_path_factory.mktemp("pair") / "run", MAKE) as it:
        yield it


def test_a_second_pair_runs_beside_the_first(code: Path, pair: Pair, tmp_path: Path) -> None:
    with running(code, tmp_path / "second") as second:
        for run in (pair, second):
            assert call(run.port("backend")).answer == (200, HELLO | {"source": "backend"})
            assert call(run.port("client")).answer == (200, HELLO | {"source": "client"})

        second.process.terminate()
        assert second.ends() == 0

    assert call(pair.port("client")).status == 200


def test_each_service_has_a_draining_flag_of_its_own(pair: Pair) -> None:
    def draining() -> int:
        return [call(pair.port(name), "/readyz").status for name in ("backend", "client")].count(503)

    one, other = pair.folder.glob("*/")
    (one / "draining").touch()
    eventually("one drains", lambda: draining() == 1)
    (other / "draining").touch()
    eventually("the other drains, too", lambda: draining() == 2)
    for folder in (one, other):
        (folder / "draining").unlink()
    eventually("none drains", lambda: draining() == 0)


@pytest.mark.parametrize(
    ("name", "services", "sound", "edited", "seen"),
    [
        ("backend/logic/hello.py", ["backend", "client"], "hello world", "hello again", "hello again"),
        ("client/app.py", ["client"], "def create_app", "def oops", "does not load: AttributeError"),
        ("common/web.py", ["backend", "client"], '"status_code"', '"status', "does not load: SyntaxError"),
    ],
)
def test_an_edit_is_live_at_once_and_so_is_the_next(  # noqa: PLR0917  parametrised
    code: Path, pair: Pair, name: str, services: list[str], sound: str, edited: str, seen: str
) -> None:
    def answers() -> list[str]:
        return [call(pair.port(service)).body.decode() for service in services]

    file = code / name
    before = file.read_text()

    file.write_text(before.replace(sound, edited))
    eventually("the edit is live", lambda: all(seen in answer for answer in answers()))

    file.write_text(before)
    eventually("so is the next", lambda: all("hello world" in answer for answer in answers()))


def test_an_edit_while_it_starts_does_not_end_it(code: Path, tmp_path: Path) -> None:
    file = code / "common" / "web.py"
    slowly = 'import sys, time\nif "-m" in sys.orig_argv: time.sleep(0.5)'
    (tmp_path / "sitecustomize.py").write_text(slowly)
    with starting(code, tmp_path / "run", PYTHONPATH=str(tmp_path)) as run:
        while "Booting worker" not in run.log and run.process.poll() is None:
            file.touch()
            sleep(0.15)  # longer than the watcher waits for more edits at a time
        eventually("it is ready", lambda: run.is_ready() or run.process.poll() is not None)

        assert call(run.port("client")).status == 200


def test_a_logic_is_called_by_callers_only(code: Path, tmp_path: Path) -> None:
    with running(code, tmp_path / "run", LOGIC="sleepy:answer") as run, ThreadPoolExecutor() as threads:
        client = run.port("client")
        assert "called" not in run.log

        assert call(client).answer == error(500, "internal error; the service's log has the details")
        eventually("its traceback is logged", lambda: "RuntimeError: oops" in run.log)
        assert [run.log.count(text) for text in ("called", "Traceback")] == [1, 1]

        slow = threads.submit(call, client, "/?seconds=1")
        eventually("it is called", lambda: run.log.count("called") == 2)
        run.process.send_signal(signal.SIGINT)
        assert slow.result().status == 200, "expected the first Ctrl-C to let it finish"
        assert run.ends() == 0


def test_a_second_ctrl_c_ends_it_at_once(code: Path, tmp_path: Path) -> None:
    with running(code, tmp_path / "run", LOGIC="sleepy:answer") as run, ThreadPoolExecutor() as threads:
        slow = threads.submit(call, run.port("client"), "/?seconds=100")
        eventually("it is called", lambda: "called" in run.log)

        run.process.send_signal(signal.SIGINT)
        eventually("both stop", lambda: run.log.count("Handling signal: term") == 2)
        assert run.process.poll() is None
        run.process.send_signal(signal.SIGINT)

        assert run.ends() == 0, "expected an end before that of the answer"
        assert isinstance(slow.exception(), OSError)


def test_the_end_of_a_service_ends_the_other(code: Path, tmp_path: Path) -> None:
    with running(code, tmp_path / "run") as run:
        for worker in re.findall(r"^backend .*Booting worker with pid: (\d+)", run.log, re.MULTILINE):
            os.kill(int(worker), signal.SIGSTOP)  # or it would notice by itself
        os.kill(run.pid("backend"), signal.SIGKILL)

        assert run.ends() == 1
        assert run.log.endswith("\nthe backend has ended\n")


@pytest.mark.parametrize("command", [pytest.param(RUN, marks=pytest.mark.full), MAKE], ids=["run.py", "make"])
def test_no_process_survives_a_kill(code: Path, tmp_path: Path, command: list[str]) -> None:
    with running(code, tmp_path / "run", command) as run:
        assert len(run.processes()) >= 5, "expected run.py, and a process and a worker for each service"

        run.process.kill()

        assert run.ends() == -signal.SIGKILL


def test_no_process_survives_its_terminal(code: Path, tmp_path: Path) -> None:
    window, terminal = os.openpty()
    with starting(code, tmp_path / "run", MAKE, terminal, WORKERS="1") as run:
        os.close(terminal)
        eventually(
            "it runs: make, run.py, its shell and two processes for each service",
            lambda: len(run.processes()) == 7,
        )

        os.close(window)

        run.ends()


def test_a_url_takes_the_place_of_a_backend(code: Path, backend: Service, tmp_path: Path) -> None:
    port = free_port()
    settings = {"URL": f"127.0.0.1:{backend.port}", "HOST": "[::1]", "PORT": str(port)}
    with running(code, tmp_path / "run", RUN, **settings) as run:
        assert f"\nReady: the client at http://[::1]:{port}/ (" in run.log
        assert "backend |" not in run.log
        assert call(port, host="[::1]").answer == (200, HELLO | {"source": "client"})


def test_a_taken_port_is_a_line_that_says_how_to_choose_another(
    code: Path, backend: Service, tmp_path: Path
) -> None:
    with starting(code, tmp_path / "run", PORT=str(backend.port)) as run:
        assert run.ends() == 1
        assert run.log == (
            f"port {backend.port} is taken; choose another one: make run PORT={backend.port + 1}\n"
        )


def test_a_setting_that_is_not_allowed_is_a_line(code: Path, tmp_path: Path) -> None:
    with starting(code, tmp_path / "run", PORT="many") as run:
        assert run.ends() == 1
        assert run.log == "PORT='many' is not allowed: expected a whole number from 1 to 65535\n"


def test_a_service_that_does_not_start_says_why(code: Path, tmp_path: Path) -> None:
    with starting(code, tmp_path / "run", LOGIC="nothing") as run:
        assert run.ends() == 1
        assert '"message":"LOGIC=\'nothing\' is not allowed: expected ' in run.log
        assert run.log.endswith("\nthe backend has ended\n")
