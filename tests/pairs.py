"""`make run` as a real process, and whatever it started."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.calls import PATIENCE, eventually
from tests.processes import ROOT, START_PATIENCE, environment, free_port

RUN = [sys.executable, "run.py"]
# With this environment's packages: the copy of the code that is run has none.
MAKE = ["make", "-f", str(ROOT / "Makefile"), "-o", ".venv/run", f"BIN={Path(sys.executable).parent}", "run"]


@dataclass(frozen=True)
class Pair:
    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def is_ready(self) -> bool:
        """Return whether it says so, in a whole line: the log may be read while one is written."""
        return bool(re.search("^Ready: .*\n", self.log, re.MULTILINE))

    def port(self, service: str) -> int:
        return int(self.logged(rf"^Ready: .*\bthe {service} at http://\S+:(\d+)/"))

    def pid(self, service: str) -> int:
        return int(self.logged(rf"^{service} *\| .*Listening at: \S+ \((\d+)\)"))

    def logged(self, pattern: str) -> str:
        match = re.search(pattern, self.log, re.MULTILINE)
        assert match, f"expected {pattern} in:\n{self.log}"
        return match[1]

    def processes(self) -> list[int]:
        """Return the ids of all that it started; what has ended has no environment."""
        ids = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if f"\0TEST_RUN={self.folder}\0".encode() in b"\0" + environ.read_bytes():
                    ids.append(int(environ.parent.name))
        return ids

    def ends(self) -> int:
        """Return the exit code, once no process is left."""
        code = self.process.wait(PATIENCE)
        eventually("no process is left", lambda: not self.processes())
        return code


@contextmanager
def starting(
    code: Path, folder: Path, command: list[str] = RUN, terminal: int | None = None, **settings: str
) -> Iterator[Pair]:
    own = {"PORT": str(free_port()), "TEST_RUN": str(folder)}
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=code,
            env=environment(folder, own | settings),
            stdout=log if terminal is None else terminal,
            stderr=log,
            start_new_session=True,
        )
    pair = Pair(process, folder)
    try:
        yield pair
    finally:
        sys.stdout.write(pair.log)  # pytest shows it where a test fails
        for pid in pair.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


@contextmanager
def running(code: Path, folder: Path, command: list[str] = RUN, **settings: str) -> Iterator[Pair]:
    with starting(code, folder, command, None, **settings) as pair:
        ready_or_ended = lambda: pair.is_ready() or pair.process.poll() is not None  # noqa: E731
        eventually("it is ready", ready_or_ended, within=START_PATIENCE)
        yield pair
