"""LOGIC chooses what answers; the client passes it on."""

import json
import re
import signal
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest
from werkzeug.datastructures import MultiDict

from backend.app import parameters
from backend.lookup import allowed_logics
from tests.calls import JSON, error, eventually
from tests.conftest import Start
from tests.manifests.services import FOLDERS, SECRETS
from tests.processes import ROOT, Service, environment, free_port

ALLOWED = allowed_logics()
GREETING = """
from werkzeug.exceptions import Conflict

def answer(query):
    if "bad" in query:
        raise Conflict("bad is taken; allowed: anything else")
    message = f"hello {query.get('name', 'you')}"
    return {"message": message, "length": len(query)}
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


SHOP_SETTINGS = """
from dataclasses import dataclass

from backend import settings
from common.settings import hidden, number, setting


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    max_orders: int = setting(number(1, 9), "Most orders.", default=5)
    shop_key: str = setting(str, "A key.", mask=hidden)
"""
SHOP = """
import pathlib

from flask import Blueprint, request
from werkzeug.exceptions import ServiceUnavailable

from backend.logic import Logic

shop = Blueprint("shop", __name__)


def make(settings):
    file = pathlib.Path(settings.shop_key)

    def ready():
        if not file.exists():
            raise ServiceUnavailable("not stocked")

    @shop.post("/orders")
    def order():
        return {"item": request.get_json()["item"], "of": settings.max_orders}, 201, {"Location": "/orders/1"}

    return Logic(shop, ready, file.unlink)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A package with a factory and settings of its own, which says when it is imported."""
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").write_text(f"print('imports the shop', flush=True)\n{SHOP}")
    (package / "orders.py").write_text("from shop import make")
    (package / "settings.py").write_text(SHOP_SETTINGS)
    return tmp_path


@pytest.mark.parametrize("logic", [pytest.param("shop:make", marks=pytest.mark.full), "shop.orders:make"])
def test_a_factory_has_settings_of_its_own_and_tells_whether_it_is_ready_and_cleans_up(
    start: Start, shop: Path, logic: str
) -> None:
    stock = shop / "stock"
    backend = start("backend", LOGIC=logic, PYTHONPATH=str(shop), MAX_ORDERS="7", SHOP_KEY=str(stock))
    client = start("client", URL=f"127.0.0.1:{backend.port}")
    assert "LOGIC=" + logic + ' MAX_ORDERS=7 SHOP_KEY=***"' in backend.log
    assert backend.call("/readyz").answer == error(503, "not stocked", "backend")

    stock.touch()
    assert backend.call("/readyz").status == 200
    reply = client.call("/orders", "POST", JSON, body=b'{"item": "tea"}')
    fields = {"status_code": 201, "message": "Created", "source": "client", "item": "tea", "of": 7}
    assert reply.answer == (201, fields)
    assert reply.headers["Location"] == "/orders/1"

    backend.stop()
    assert not stock.exists(), "expected close to be called"
    assert "Traceback" not in backend.log
    boots, imports = backend.log.index("Booting worker"), backend.log.index("imports the shop")
    assert boots < imports, "expected gevent to patch Python before anything but the settings is imported"


def test_settings_of_ones_own_are_refused_as_ours_are(shop: Path) -> None:
    code, output = refusal(shop, LOGIC="shop:make", PYTHONPATH=str(shop), PORT="x", MAX_ORDERS="10")
    assert code == 1
    assert output.splitlines() == [
        "PORT='x' is not allowed: expected a whole number from 1 to 65535",
        "MAX_ORDERS='10' is not allowed: expected a whole number from 1 to 9",
        "SHOP_KEY is missing: expected a value",
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import nothing", "ModuleNotFoundError: No module named 'nothing'"),
        (
            "Settings = dict",
            "TypeError: shop.settings.Settings is not a subclass of backend.settings.Settings",
        ),
    ],
)
def test_settings_of_ones_own_that_do_not_load_are_refused(shop: Path, text: str, why: str) -> None:
    (shop / "shop" / "settings.py").write_text(text)

    refused = refusal(shop, LOGIC="shop:make", PYTHONPATH=str(shop))
    assert refused == (1, f"LOGIC='shop:make' does not load: {why}; expected {ALLOWED}\n")


def test_edited_settings_of_ones_own_are_taken_up(start: Start, shop: Path) -> None:
    backend = start("backend", LOGIC="shop:make", PYTHONPATH=str(shop), SHOP_KEY=str(shop))
    (shop / "shop" / "settings.py").write_text(SHOP_SETTINGS.replace("default=5", "default=66"))
    backend.signal(signal.SIGHUP)

    ordered = partial(backend.call, "/orders", "POST", JSON, body=b'{"item": "tea"}')
    eventually("the new default", lambda: b'"of":66' in ordered().body)
    (shop / "stock").touch()


def test_a_reserved_path_keeps_the_backend_from_starting(tmp_path: Path) -> None:
    (tmp_path / "views.py").write_text(
        "import flask\nbp = flask.Blueprint('bp', __name__)\nbp.get('/version')(dict)"
    )

    code, output = refusal(tmp_path, LOGIC="views:bp", PYTHONPATH=str(tmp_path))
    assert code != 0
    assert (
        "LOGIC='views:bp' has a route '/version'; "
        "expected any but /healthz, /readyz, /version, /openapi.json\n"
    ) in output
    assert "Traceback" not in output


def refusal(folder: Path, **settings: str) -> tuple[int, str]:
    """Return the exit code and the logged messages of a backend that refuses to start."""
    done = subprocess.run(
        [sys.executable, "-m", "backend"],
        cwd=ROOT,
        env=environment(folder, {"HOST": "127.0.0.1", "PORT": str(free_port())} | settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    messages = [json.loads(line)["message"] for line in done.stdout.splitlines()]
    return done.returncode, "".join(f"{message}\n" for message in messages)


def test_an_unknown_logic_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    assert refusal(tmp_path, LOGIC="Hello") == (1, f"LOGIC='Hello' is not allowed: expected {ALLOWED}\n")


def test_a_logic_that_cannot_be_imported_is_refused_with_the_reason(outside: Path) -> None:
    code, output = refusal(outside, LOGIC="ours.unfinished:answer", PYTHONPATH=str(outside))

    assert code != 0
    assert output.count("does not load") == 1
    reason = "ModuleNotFoundError: No module named 'a_package_that_is_not_there'"
    assert f"LOGIC='ours.unfinished:answer' does not load: {reason}; expected {ALLOWED}\n" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("name", [each for each in FOLDERS if (FOLDERS[each] / "requirements.txt").exists()])
def test_a_logic_whose_packages_are_not_installed_is_refused(tmp_path: Path, name: str) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    for package in groups[f"backend-{name}"][1:]:
        module = re.split(r"\W", package)[0]
        (tmp_path / f"{module}.py").write_text("raise ModuleNotFoundError('it is not installed')")
    settings = {"LOGIC": name, "PYTHONPATH": str(tmp_path)} | SECRETS.get(name, {})

    code, output = refusal(tmp_path, **settings)

    assert code != 0
    assert (
        f"LOGIC={name!r} does not load: ModuleNotFoundError: it is not installed; "
        f"expected what backend/logic/{name}/requirements.txt lists to be installed\n"
    ) in output


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
