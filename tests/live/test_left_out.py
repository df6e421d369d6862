"""The project passes without the logics and parts whose folders were deleted."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from common.serving.parts import PARTS
from tests.manifests.services import FOLDERS
from tests.processes import ROOT, Service, free_port, running

RUFF = [sys.executable, "-m", "ruff", "check", "--no-cache"]
# Without the plugins that no test asks for, which take as long to import as many tests to run.
PLUGINS = ["--disable-plugin-autoload", "-p", "pytest_timeout", "-p", "no:cacheprovider"]
PYTEST = [sys.executable, "-m", "pytest", "-q", *PLUGINS]
# The tests that look for logics.
DESCRIPTIONS = "manifests or test_backend_settings or test_docs"
# With this environment's packages: the copy has none.
MAKE = ["make", "-o", ".venv/dev", f"BIN={Path(sys.executable).parent}"]
README = (ROOT / "README.md").read_text()
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")


def copy_of_project(folder: Path) -> Path:
    copy = folder / "copy"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    return copy


def copy_without(logics: list[str], folder: Path) -> Path:
    """Return a copy of the project in which the folders of these logics were deleted."""
    copy = copy_of_project(folder)
    for name in logics:
        shutil.rmtree(copy / "backend" / "logic" / name)
    return copy


def copy_without_parts(parts: Iterable[str], folder: Path) -> Path:
    """Return a copy without these parts: what the README tells to delete, and their lines."""
    copy = copy_of_project(folder)
    attached = copy / "common" / "serving" / "parts.py"
    for part in parts:
        path = part.replace(".", "/")
        [row] = re.findall(rf"^\| .* \| (`{path}/`.*?) \| .* \|$", README, flags=re.MULTILINE)
        for each in re.findall(r"`(.+?)`", row):
            shutil.rmtree(copy / each) if each.endswith("/") else (copy / each).unlink()
        attached.write_text(re.sub(rf'^ *"{part}",.*\n', "", attached.read_text(), flags=re.MULTILINE))
    return copy


def copy_without_page(folder: Path) -> Path:
    """Return a copy without the client's page: what the README tells to delete, and its lines."""
    copy = copy_of_project(folder)
    [row] = re.findall(r"^\| the page \| (.*?) \| .* \|$", README, flags=re.MULTILINE)
    for each in re.findall(r"`(.+?)`", row):
        for path in copy.glob(each.rstrip("/")):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    app = copy / "client" / "app.py"
    app.write_text(re.sub(r"^.*\bserve_page\b.*\n", "", app.read_text(), flags=re.MULTILINE))
    return copy


def run(copy: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_without_any_of_them_the_tests_are_collected_and_the_descriptions_match(tmp_path: Path) -> None:
    copy = copy_without(list(FOLDERS), tmp_path)

    run(copy, *RUFF)
    # All are collected, and an error there fails the run.
    output = run(copy, *PYTEST, "-m", "not full", "-k", DESCRIPTIONS, "tests", "backend")
    assert " passed" in output


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("logic", FOLDERS)
def test_without_one_of_them_lint_and_tests_pass(tmp_path: Path, logic: str) -> None:
    run(copy_without([logic], tmp_path), *MAKE, "lint", "test")


def test_without_any_optional_part_the_services_start_and_answer(tmp_path: Path) -> None:
    copy = copy_without_parts(PARTS, tmp_path)
    metrics_port = free_port()

    run(copy, *RUFF)
    with (
        running("backend", copy, METRICS_PORT=str(metrics_port)) as backend,
        running("client", copy, URL=f"127.0.0.1:{backend.port}", METRICS_PORT=str(metrics_port)) as client,
    ):
        assert client.call("/").status == 200


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", PARTS)
def test_without_one_of_the_parts_the_tests_of_all_else_pass(tmp_path: Path, part: str) -> None:
    copy = copy_without_parts([part], tmp_path)

    # All but what compares the documentation with what is there, also in a copy of the copy.
    ignored = [f"--ignore={name}" for name in ("tests/unit/test_docs.py", "tests/live/test_left_out.py")]
    tests = ["tests/unit", "tests/contract", "tests/live", *ignored]
    run(copy, *PYTEST, "-m", "not full", *tests)


def test_without_the_page_the_client_answers_as_before(backend: Service, tmp_path: Path) -> None:
    copy = copy_without_page(tmp_path)

    run(copy, *RUFF)
    with running("client", copy, URL=f"127.0.0.1:{backend.port}") as client:
        hello = {"status_code": 200, "message": "hello world", "source": "client"}
        assert client.call("/", "GET", "Accept: text/html").answer == (200, hello)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_without_the_page_lint_and_the_tests_of_all_else_pass(tmp_path: Path) -> None:
    copy = copy_without_page(tmp_path)

    run(copy, *MAKE, "lint")
    run(copy, *PYTEST, "--collect-only", "tests", "backend")
    tests = ["tests/unit", "tests/contract", "tests/live", "--ignore", "tests/unit/test_docs.py"]
    run(copy, *PYTEST, "-m", "not full", *tests)
