"""LOGIC chooses what answers; the client passes it on."""

import subprocess
import sys
from pathlib import Path

import pytest
from werkzeug.datastructures import MultiDict

from backend.app import parameters
from backend.settings import LOGICS, NEEDS
from tests.calls import error
from tests.conftest import Start
from tests.processes import ROOT, Service, environment, free_port

ALLOWED = f"{', '.join(LOGICS)} or an importable package.module:function"
GREETING = """
from werkzeug.exceptions import Conflict

def answer(query):
    if "bad" in query:
        raise Conflict("bad is taken; allowed: anything else")
    message = f"hello {query.get('name', 'you')}"
    return {"message": message, "length": len(query), "source": "me", "status_code": 1}

number = 7
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with modules that are not part of the project."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "greeting.py").write_text(GREETING)
    (tmp_path / "ours" / "unfinished.py").write_text("import a_package_that_is_not_there")
    return tmp_path


def test_a_function_from_outside_answers_through_the_client(start: Start, outside: Path) -> None:
    backend = start("backend", LOGIC="ours.greeting:answer", PYTHONPATH=str(outside))
    client = start("client", URL=f"127.0.0.1:{backend.port}")

    assert client.call("/?name=Ada").answer == (
        200,
        {"status_code": 200, "message": "hello Ada", "source": "client", "length": 1},
    )
    assert client.call("/?bad").answer == error(409, "bad is taken; allowed: anything else")


def refusal(folder: Path, **settings: str) -> tuple[int, str]:
    """Return the exit code and the output of a backend that refuses to start."""
    done = subprocess.run(
        [sys.executable, "-m", "backend"],
        cwd=ROOT,
        env=environment(folder, {"HOST": "127.0.0.1", "PORT": str(free_port())} | settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "logic", ["", "Hello", "llms", "no_such_package:answer", "json", "json:", "a b:c", ".json:x"]
)
def test_an_unknown_logic_is_refused_with_the_known_ones(tmp_path: Path, logic: str) -> None:
    assert refusal(tmp_path, LOGIC=logic) == (1, f"LOGIC={logic!r} is not allowed: expected {ALLOWED}\n")


@pytest.mark.parametrize(
    ("logic", "reason"),
    [
        ("ours.missing:answer", "ModuleNotFoundError: No module named 'ours.missing'"),
        ("ours.unfinished:answer", "ModuleNotFoundError: No module named 'a_package_that_is_not_there'"),
        ("ours.greeting:reply", "AttributeError: module 'ours.greeting' has no attribute 'reply'"),
        ("ours.greeting:number", "TypeError: 'number' is not a function"),
    ],
)
def test_a_logic_that_cannot_be_imported_is_refused_with_the_reason(
    outside: Path, logic: str, reason: str
) -> None:
    code, output = refusal(outside, LOGIC=logic, PYTHONPATH=str(outside))

    assert code != 0
    assert output.count("does not load") == 1
    assert f"LOGIC={logic!r} does not load: {reason}; expected {ALLOWED}\n" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("name", NEEDS)
def test_a_logic_whose_packages_are_not_installed_is_refused(tmp_path: Path, name: str) -> None:
    hide = "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p]"
    done = subprocess.run(
        [sys.executable, "-c", f"{hide}; from backend.settings import logic; logic({name!r})"],
        cwd=ROOT,
        env=environment(tmp_path, {}),
        capture_output=True,
        text=True,
        check=False,
    )

    installed = ", ".join(each for each in LOGICS if each not in NEEDS)
    needs = "; ".join(f"{each} needs requirements/backend-{each}.txt" for each in NEEDS)
    assert done.stderr.endswith(
        f"ValueError: {installed} or an importable package.module:function; {needs}\n"
    )


@pytest.mark.parametrize(
    ("query", "status", "exc"),
    [
        ("a&" * 1000, 400, "more than 1000 parameters"),
        ("a" * 60_001, 414, "query of 60001 bytes; allowed: 60000"),
    ],
)
def test_a_query_beyond_the_limits_is_refused_whatever_the_logic(
    backend: Service, query: str, status: int, exc: str
) -> None:
    assert backend.call(f"/?{query}").answer == error(status, exc, "backend")


def test_a_query_within_the_limits_reaches_the_logic_also_where_it_is_not_utf_8() -> None:
    assert parameters(b"a&" * 999 + b"a=%ff%C3%A9") == MultiDict([*[("a", "")] * 999, ("a", "\ufffdé")])
