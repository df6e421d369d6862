"""The services that are measured: where their packages are, how they start, that they end."""

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
COPY locked.txt .
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r locked.txt
"""


@dataclass(frozen=True)
class Place:
    """Where services run: in containers or on this machine; and the folder for what they write."""

    docker: bool
    folder: Path


class Running(NamedTuple):
    """A program and the file for its output."""

    program: subprocess.Popen[bytes]
    log: Path


def has_docker() -> bool:
    """Whether Docker is there and answers."""
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def install(place: Place, locked: Path) -> str:
    """Install what a file locks, into an image or a virtual environment; gives its Python."""
    digest = hashlib.sha256(DOCKERFILE.encode() + locked.read_bytes()).hexdigest()[:12]
    if place.docker:
        image = f"bench-{locked.stem}:{digest}"
        (place.folder / "locked.txt").write_bytes(locked.read_bytes())
        build = ["docker", "build", "--quiet", "--tag", image, "--file", "-", str(place.folder)]
        subprocess.run(build, input=DOCKERFILE, text=True, stdout=subprocess.DEVNULL, check=True)
        return image
    folder = ROOT / ".venv/bench" / f"{locked.stem}-{digest}"
    python = str(folder / "bin/python")
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(locked)], check=True)
        (folder / "done").touch()
    return python


@contextmanager
def running(
    place: Place, name: str, command: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> Iterator[Running]:
    """Run a program until the block ends.

    Args:
        place: where it runs; containers share the host's network.
        name: of the log, unique in a run.
        command: a Python from install() and its arguments.
        folder: its working directory, inside the project.
        variables: its environment variables.
    """
    log = place.folder / f"{name}.log"
    variables = {"PYTHONDONTWRITEBYTECODE": "1", **variables}
    container = f"bench-{os.getpid()}-{name}"
    if place.docker and command[0].startswith("bench-"):
        image, *arguments = command
        # To a file: Docker's own logs would cost CPU that is being measured.
        command = ["docker", "run", "--rm", "--init", "--network=host", f"--name={container}"]
        command += ["--ulimit=nofile=20000", f"--user={os.getuid()}:{os.getgid()}"]
        command += [f"--volume={ROOT}:/app:ro", f"--workdir=/app/{folder.relative_to(ROOT)}"]
        command += [f"--volume={place.folder}:/out", *(f"--env={k}={v}" for k, v in variables.items())]
        command += [image, "sh", "-c", f'exec python "$@" >/out/{log.name} 2>&1', "python", *arguments]
    with log.open("wb") as output:
        program = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, env={**os.environ, **variables}
        )
        try:
            yield Running(program, log)
        finally:
            if place.docker:
                subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=False)
            program.terminate()
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


def output(place: Place, name: str, command: Sequence[str]) -> str:
    """What a program prints until it ends by itself.

    Raises:
        SystemExit: it failed.
    """
    with running(place, name, command, ROOT, {}) as started:
        failed = started.program.wait(120)
    text = started.log.read_text()
    if failed:
        raise SystemExit(f"{name} failed:\n{text}")
    return text


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(url: str, service: Running, seconds: float = 30) -> None:
    """Wait until a service's URL answers 200.

    Raises:
        SystemExit: it did not in time; with the end of the service's log.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and service.program.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} does not answer; its log ends:\n{service.log.read_text()[-2000:]}")
