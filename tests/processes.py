"""Services as real processes."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.calls import PATIENCE, Reply, call, eventually

HOST = "127.0.0.1"
ROOT = Path(__file__).parent.parent
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
# Each worker of pytest has its own, below those that the system gives to connections.
PORTS = iter(random.sample(range(20_000 + WORKER, 32_000, WORKERS), 12_000 // WORKERS))
# For a start, which costs more CPU than anything else; one that fails is noticed at once (seconds).
START_PATIENCE = 60.0


@dataclass(frozen=True)
class Service:
    name: str
    host: str
    port: int
    process: "subprocess.Popen[bytes]"
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log's lines, each of which must be a JSON object, without one that is still being written."""
        return [json.loads(line) for line in self.log.splitlines(keepends=True) if line.endswith("\n")]

    def requests(self, **fields: object) -> list[dict[str, Any]]:
        """Return the lines of requests that have these fields."""
        return [line for line in self.lines if "method" in line and fields.items() <= line.items()]

    def call(self, target: str | bytes = "/", method: str = "GET", *headers: str, body: bytes = b"") -> Reply:
        return call(self.port, target, method, *headers, host=self.host, body=body)

    def answers(self) -> bool:
        with suppress(ConnectionError):
            return self.call("/healthz").status == 200
        return False

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """Return the process IDs of all workers that gunicorn has started."""
        # With what follows an id, or a line that is being written could end within it.
        return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)\D", self.log)]

    def peak_mib(self) -> int:
        """Return the most memory that the latest worker ever had, in MiB."""
        status = Path(f"/proc/{self.workers()[-1]}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024

    def stop(self) -> None:
        self.signal(signal.SIGTERM)
        assert self.ends() == 0, self.log

    def ends(self, within: float = PATIENCE) -> int:
        """Wait for the process to end and return its exit code."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"expected an end within {within:g} s:\n{self.log}") from None


def environment(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    """Return an environment without inherited settings and proxies; `folder` holds the draining flag."""
    own = {"PATH": os.environ["PATH"], "TMPDIR": str(folder), "METRICS_PORT": "0"}
    return own | settings


def free_port() -> int:
    """Return a port that nobody listens on, never the same one: who gets it may need a while to listen."""
    for port in PORTS:
        with suppress(OSError), socket.create_server((HOST, port)):
            return port
    raise AssertionError("expected a port that is free")


@contextmanager
def running(service: str, code: Path = ROOT, **settings: str) -> Iterator[Service]:
    """Run a service until the block ends; unless the test has stopped it, it must then exit with 0."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), int(settings.get("PORT") or free_port())
        (folder / "draining").touch()  # as if left by an earlier process
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", service],
                cwd=code,
                env=environment(folder, {"HOST": HOST, "PORT": str(port)} | settings),
                stdout=log,
                stderr=log,
            )
        started = Service(service, settings.get("HOST", HOST), port, process, folder)
        try:
            answers_or_ends = lambda: started.answers() or process.poll() is not None  # noqa: E731
            eventually(f"{service} answers", answers_or_ends, within=START_PATIENCE)
            assert process.poll() is None, f"expected {service} to start:\n{started.log}"
            yield started
            if process.poll() is None:
                started.stop()
            assert settings.get("LOG_FORMAT") == "text" or started.lines
        finally:
            sys.stdout.write(started.log)  # pytest shows it where a test fails
            if process.poll() is None:
                process.kill()
                process.wait()
