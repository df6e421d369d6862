"""The README's recipes, followed word by word in a copy of the project."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from tests.calls import JSON
from tests.conftest import Start
from tests.event_streams import reading
from tests.processes import ROOT, Service, running
from tests.readme import README, blocks, commands

# Without the plugins that no test asks for, which take as long to import as many tests to run.
PYTEST = ["pytest", "-q", "--disable-plugin-autoload", "-p", "pytest_timeout"]


def copied(folder: Path) -> Path:
    """Return a copy of the project in a folder."""
    hidden = shutil.ignore_patterns(".*", "__pycache__", "node_modules")
    return shutil.copytree(ROOT, folder / "copy", ignore=hidden)


def run(copy: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=copy, check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_logic_streams_as_the_readme_says(start: Start, tmp_path: Path) -> None:
    [logic] = blocks("Stream an answer", "python")
    (tmp_path / "words.py").write_text(logic)
    backend = start("backend", LOGIC="words:answer", PYTHONPATH=str(tmp_path))

    with reading(backend.port, "/?text=hello") as (_, events):
        end = {"status_code": 200, "message": "hello ", "source": "backend"}
        assert list(events) == [("", {"word": "hello"}), ("end", end)]


def test_a_route_of_the_client_is_added_as_the_readme_says(tmp_path: Path) -> None:
    copy = copied(tmp_path)
    route, test = blocks("Add a route to the client", "python")
    app, tests = copy / "client/app.py", copy / "tests/live/test_pair.py"
    before, end, after = app.read_text().partition("\n    return app\n")
    needs = "from urllib.parse import urlencode\n\nfrom flask import Flask"
    app.write_text(f"{before}\n{route}{end}{after}".replace("from flask import Flask", needs, 1))
    tests.write_text(f"{tests.read_text()}\n\n{dedent(test)}")

    run(copy, *PYTEST, "tests/live/test_pair.py", "-k", "greeting")
    run(copy, "ruff", "check", "client/app.py", "tests/live/test_pair.py")
    run(copy, "ruff", "format", "--check", "client/app.py", "tests/live/test_pair.py")


def test_a_function_becomes_a_logic_as_the_readme_says(tmp_path: Path) -> None:
    outside, inside, test = blocks("Add a logic", "python")
    named_outside, named_inside = commands("Add a logic")
    (tmp_path / "greeting").mkdir()
    (tmp_path / "greeting" / "greeting.py").write_text(outside)
    copy = copied(tmp_path)
    (copy / "backend/logic/greeting.py").write_text(inside)
    tests = copy / "tests/live/test_logic.py"
    tests.write_text(f"{tests.read_text()}\n\n{test}")

    for settings in (named_outside, named_inside):
        with running("backend", copy, **settings) as backend:
            hello = {"status_code": 200, "message": "hello Ada", "source": "backend", "length": 3}
            assert backend.call("/?name=Ada").answer == (200, hello)
    run(copy, *PYTEST, "tests/live/test_logic.py", "-k", "greets")
    run(copy, "ruff", "check", "backend/logic/greeting.py", "tests/live/test_logic.py")
    run(copy, "ruff", "format", "--check", "backend/logic/greeting.py", "tests/live/test_logic.py")


def test_a_logic_gets_routes_and_settings_as_the_readme_says(tmp_path: Path) -> None:
    heading = "Give a logic routes and settings"
    blueprint, settings, factory = blocks(heading, "python")
    with_blueprint, with_factory = commands(heading)
    copy, shop = copied(tmp_path), tmp_path / "shop"
    shop.mkdir()

    (shop / "prices.py").write_text(blueprint)
    with running("backend", copy, **with_blueprint) as backend:
        assert price(backend) == 119

    (shop / "settings.py").write_text(settings)
    (shop / "prices.py").write_text(factory)
    with running("backend", copy, **with_factory) as backend:
        assert price(backend) == 107


def test_a_blueprint_describes_what_it_takes_as_the_readme_says(tmp_path: Path) -> None:
    _, settings, factory = blocks("Give a logic routes and settings", "python")
    [operations] = blocks("Describe what a logic takes", "python")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "settings.py").write_text(settings)
    (tmp_path / "shop" / "prices.py").write_text(factory.replace("    return prices\n", operations))

    with running("backend", LOGIC="shop.prices:make", PYTHONPATH=str(tmp_path)) as backend:
        post = json.loads(backend.call("/openapi.json").body)["paths"]["/prices"]["post"]
        assert post["requestBody"]["content"]["application/json"]["schema"]["required"] == ["net"]
        assert price(backend) == 119


def price(service: Service) -> float:
    """Return the price that the README's call gets."""
    body, path = re.findall(r"`curl --json '(.*)' localhost:8082(/\S*)`", README)[0]
    status, answer = service.call(path, "POST", JSON, body=body.encode()).answer
    assert status == 200
    return float(answer["gross"])
