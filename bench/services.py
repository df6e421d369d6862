"""Install, start and stop the services that are measured."""

import hashlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
IMAGE = "python:3.14-slim"
DOCKERFILE = f"""
FROM {IMAGE}
ENV PATH=/venv/bin:$PATH
RUN python -m venv --without-pip /venv
COPY requirements.txt .
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: \\
    -r requirements.txt
"""


@dataclass(frozen=True)
class Runtime:
    """Where services run: in containers or as processes of this machine; and the folder for their logs."""

    docker: bool
    folder: Path


class Running(NamedTuple):
    """A started program, its log and its container, if it runs in one."""

    process: subprocess.Popen[bytes]
    log: Path
    container: str

    def pid(self) -> int:
        """Return the process that all its others descend from, as this machine's /proc knows it."""
        if not self.container:
            return self.process.pid
        inspect = ["docker", "inspect", "--format", "{{.State.Pid}}", self.container]
        return int(subprocess.run(inspect, stdout=subprocess.PIPE, check=True).stdout)


def has_docker() -> bool:
    """Return whether Docker is installed and answers."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def install(runtime: Runtime, requirements: Path) -> str:
    """Install locked requirements; return the image, or the Python of the virtual environment."""
    digest = hashlib.sha256(DOCKERFILE.encode() + requirements.read_bytes()).hexdigest()[:12]
    if runtime.docker:
        image = f"bench-{requirements.stem}:{digest}"
        (runtime.folder / "requirements.txt").write_bytes(requirements.read_bytes())
        build = ["docker", "build", "--quiet", "--tag", image, "--file", "-", str(runtime.folder)]
        subprocess.run(build, input=DOCKERFILE, text=True, stdout=subprocess.DEVNULL, check=True)
        return image
    folder = ROOT / ".venv/bench" / f"{requirements.stem}-{digest}"
    python = str(folder / "bin/python")
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(requirements)], check=True)
        (folder / "done").touch()
    return python


@contextmanager
def running(
    runtime: Runtime, name: str, command: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> Iterator[Running]:
    """Run a program until the block ends.

    Args:
        runtime: where it runs; containers share the host's network.
        name: of its log, unique in a run.
        command: what install() returned and arguments for Python; or any program of this machine.
        folder: the working directory, all that a container sees of the project.
        variables: environment variables.
    """
    log = runtime.folder / f"{name}.log"
    variables = {"PYTHONDONTWRITEBYTECODE": "1", **variables}
    container = ""
    if runtime.docker and command[0].startswith("bench-"):
        container = f"bench-{os.getpid()}-{name}"
        image, *arguments = command
        # To a file: Docker's own logs would cost CPU that is being measured.
        command = ["docker", "run", "--rm", "--init", "--network=host", f"--name={container}"]
        command += ["--ulimit=nofile=20000", f"--user={os.getuid()}:{os.getgid()}"]
        command += [f"--volume={folder}:/app:ro", "--workdir=/app", f"--volume={runtime.folder}:/out"]
        command += [f"--env={k}={v}" for k, v in variables.items()]
        command += [image, "sh", "-c", f'exec python "$@" >/out/{log.name} 2>&1', "python", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, env={**os.environ, **variables}
        )
        try:
            yield Running(process, log, container)
        finally:
            if container:
                subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=False)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run_to_end(runtime: Runtime, name: str, command: Sequence[str]) -> str:
    """Run a program and return its output.

    Raises:
        SystemExit: it failed.
    """
    with running(runtime, name, command, ROOT, {}) as started:
        failed = started.process.wait(120)
    text = started.log.read_text()
    if failed:
        raise SystemExit(f"{name} failed:\n{text}")
    return text


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(url: str, service: Running, seconds: float = 30) -> Running:
    """Wait until a service's URL answers 200 and return the service.

    Raises:
        SystemExit: it did not in time; with the end of the service's log.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and service.process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return service
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} does not answer; its log ends:\n{service.log.read_text()[-2000:]}")
