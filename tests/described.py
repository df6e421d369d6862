"""A service as it describes itself: called by Schemathesis, and compared with what it answers."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask

from tests.processes import ROOT, Service, environment

# Examples of a request for each path and method: the same ones every time, or new ones in a full run.
FEW = 5
MANY = pytest.param(300, marks=[pytest.mark.full, pytest.mark.timeout(1800)])
# The client answers an OPTIONS with the methods that it passes on; which ones a path has, the backend knows.
LEFT_OUT_ON_THE_CLIENT = ("allow_header_conformance",)


def conforms(
    service: Service, folder: Path, examples: int, hooks: str = "", left_out: Sequence[str] = ()
) -> int:
    """Let Schemathesis look for answers that are not as described; return how many it has checked.

    Args:
        service: the service.
        folder: where Schemathesis keeps what it learns.
        examples: how many for each path and method.
        hooks: the module that says what a description cannot say.
        left_out: the checks that are left out; why is said where they are named.
    """
    left_out = [*left_out, *(LEFT_OUT_ON_THE_CLIENT if service.name == "client" else ())]
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run"),
        f"http://{service.host}:{service.port}/openapi.json",
        *("--max-examples", str(examples), "--no-color"),
        *(["--generation-deterministic"] if examples == FEW else ["--generation-database", "none"]),
        *(["--exclude-checks", ",".join(left_out)] if left_out else []),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder, {"PYTHONPATH": str(ROOT)} | ({"SCHEMATHESIS_HOOKS": hooks} if hooks else {})),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    checked = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert checked, done.stdout
    assert checked[1] == checked[2], done.stdout
    return int(checked[1])


def routes(app: Flask) -> set[tuple[str, str]]:
    """Return the routes of an application, once for each method but HEAD, which goes with GET."""
    found = {(rule.rule, method) for rule in app.url_map.iter_rules() for method in rule.methods or ()}
    return found - {(rule, "HEAD") for rule, method in found if method == "GET"}


def described_routes(app: Flask, document: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the routes that the operations of a description reach; NotFound if one reaches none."""
    adapter, found = app.url_map.bind(""), set()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            in_path = [each for each in operation.get("parameters", ()) if each["in"] == "path"]
            values = {each["name"]: 1 if each["schema"].get("type") == "integer" else "a" for each in in_path}
            reached, _ = adapter.match(unquote(path.format(**values)), method.upper(), return_rule=True)
            found.add((reached.rule, method.upper()))
    return found


def responses(service: Service, path: str, method: str) -> set[str]:
    """Return the statuses that a service describes for a method of a path."""
    document = json.loads(service.call("/openapi.json").body)
    return set(document["paths"][path][method.lower()]["responses"])
