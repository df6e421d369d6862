"""An image for a logic of one's own: made, and run in each way, as the README says word by word."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import ROOT, Cluster, port_forward, run, skaffold_run, until
from tests.e2e.polling import get
from tests.readme import blocks

HEADING = "Add a logic"
# Commands that serve until they are stopped.
SERVING = ("docker run ", "docker compose -f ")
ADA = {"status_code": 200, "message": "hello Ada", "length": 3}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, git included, with the logic of the README's recipe beside it."""
    copy, own = tmp_path / "pair", tmp_path / "greeting"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".*_cache", "__pycache__"))
    own.mkdir()
    dockerfile, install = blocks(HEADING, "dockerfile")
    compose, profile = blocks(HEADING, "yaml")
    (own / "greeting.py").write_text(blocks(HEADING, "python")[0])
    (own / "Dockerfile").write_text(dockerfile.replace("COPY", f"{install}COPY", 1))
    (own / "compose.yaml").write_text(compose)
    with (copy / "skaffold.yaml").open("a") as skaffold:
        skaffold.write(profile)
    return copy


def commands(about: str) -> list[str]:
    """Return the commands of the recipe's only block that says so."""
    [block] = [block for block in blocks(HEADING, "console") if about in block]
    return [line.removeprefix("$ ") for line in block.splitlines()]


@contextmanager
def followed(project: Path, about: str) -> Iterator[Any]:
    """Run commands until the block ends; yield what the last one, a call, prints."""
    *others, call = commands(about)
    with ExitStack() as stack:
        for command in others:
            if command.startswith(SERVING):
                stack.enter_context(serving(project, command))
            else:
                run("sh", "-c", f"cd {project} && {command}", timeout=600)
        answered = until(lambda: output(call), f"an answer to {call}", seconds=60)
        yield json.loads(answered)


@contextmanager
def serving(project: Path, command: str) -> Iterator[None]:
    """Run a command until the block ends."""
    with subprocess.Popen(["sh", "-c", f"exec {command}"], cwd=project) as process:
        try:
            yield
        finally:
            process.terminate()


def output(command: str) -> str:
    """Return what a command prints; nothing if it fails."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else ""


def test_an_image_of_ones_own_is_built_and_run_as_the_readme_says(project: Path) -> None:
    with followed(project, "docker run") as answered:
        assert answered == ADA | {"source": "backend"}
    installed = "import inflection, sys; print(sys.prefix)"
    in_image = ("docker", "run", "--rm", "--entrypoint", "python", "backend-greeting", "-c")
    assert run(*in_image, installed).strip() == "/venv"
    assert run(*in_image, "import os; print(os.getuid())").strip() == "10001"


def test_an_image_of_ones_own_runs_with_compose_as_the_readme_says(project: Path) -> None:
    try:
        with followed(project, "docker compose") as answered:
            assert answered == ADA | {"source": "client"}
    finally:
        run("docker", "compose", "down")


@pytest.mark.full
def test_an_image_of_ones_own_runs_on_the_cluster_as_the_readme_says(cluster: Cluster, project: Path) -> None:
    client = cluster.pod_uids("client")
    [command] = commands("skaffold")
    try:
        run("sh", "-c", f"cd {project} && {command}", timeout=600)
        cluster.settle()
        with port_forward("service/client", 8082) as url:
            answer = get(f"{url}/?name=Ada")
        assert (answer.status, answer.content) == (200, ADA | {"source": "client"})
        assert cluster.pod_uids("client") == client
    finally:
        skaffold_run()
