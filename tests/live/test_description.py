"""What both services describe at /openapi.json is what they do, and follows a change of logic."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.calls import error, eventually
from tests.conftest import RecordProperty, Start
from tests.described import FEW, MANY, conforms, responses
from tests.processes import Service, running

GREETING = """
from backend.logic import Logic
from backend.parameters import Parameter

name = Parameter(name="name", description="Whom to greet.", example="Ada", max_length=9, required=True)
times = Parameter(name="times", description="How often.", type=int, minimum=1, maximum=3, default=1)
loud = Parameter(name="loud", description="In capitals.", type=bool)
word = Parameter(name="word", description="With which word.", choices=["hello", "hi"], default="hello")
speed = Parameter(name="speed", description="Words a second.", type=float, minimum=0)
greet = Logic(
    lambda query: {"message": query["times"] * f"{query['word']} {query['name']} "},
    parameters=[name, times, loud, word, speed],
)
"""
LEFT_OUT_OF_THE_SHOP = (
    *("positive_data_acceptance", "negative_data_rejection"),  # it declares nothing of what it takes
    "use_after_free",  # it keeps nothing, so that what was deleted is still there
)


@pytest.fixture
def greeting(tmp_path: Path) -> dict[str, str]:
    """The settings of a backend with a function whose parameters are declared."""
    (tmp_path / "greeting.py").write_text(GREETING)
    return {"LOGIC": "greeting:greet", "PYTHONPATH": str(tmp_path)}


@pytest.fixture(scope="module")
def client(backend: Service) -> Iterator[Service]:
    with running("client", URL=f"127.0.0.1:{backend.port}") as service:
        yield service


def parameters(service: Service) -> list[str]:
    """Return the names of the parameters that a service describes."""
    document = json.loads(service.call("/openapi.json").body)
    return [each["name"] for each in document["paths"]["/"]["get"]["parameters"]]


@pytest.mark.parametrize("examples", [FEW, MANY])
def test_a_declared_function_answers_as_described(
    start: Start,
    greeting: dict[str, str],
    tmp_path: Path,
    examples: int,
    record_property: RecordProperty,
) -> None:
    backend = start("backend", **greeting)
    client = start("client", URL=f"127.0.0.1:{backend.port}")

    record_property("sent", conforms(client, tmp_path, examples))


@pytest.mark.parametrize("examples", [pytest.param(FEW, marks=pytest.mark.full), MANY])
def test_hello_answers_as_described(
    client: Service, tmp_path: Path, examples: int, record_property: RecordProperty
) -> None:
    record_property("sent", conforms(client, tmp_path, examples))


@pytest.mark.full
def test_a_backend_without_a_client_answers_as_described(
    start: Start, backend: Service, greeting: dict[str, str], tmp_path: Path, record_property: RecordProperty
) -> None:
    declared = start("backend", **greeting)

    record_property("sent", conforms(backend, tmp_path, FEW) + conforms(declared, tmp_path, FEW))


@pytest.mark.parametrize("examples", [pytest.param(FEW, marks=pytest.mark.full), MANY])
def test_a_blueprint_that_describes_nothing_answers_as_described(
    start: Start, tmp_path: Path, examples: int, record_property: RecordProperty
) -> None:
    backend = start("backend", LOGIC="tests.shop:shop")
    client = start("client", URL=f"127.0.0.1:{backend.port}")

    sent = conforms(client, tmp_path, examples, left_out=LEFT_OUT_OF_THE_SHOP)
    record_property("sent", sent)


def test_the_clients_description_follows_a_change_of_logic(start: Start, greeting: dict[str, str]) -> None:
    first = start("backend")
    client = start("client", URL=f"127.0.0.1:{first.port}")
    assert parameters(client) == ["query"]

    first.stop()
    start("backend", PORT=str(first.port), **greeting)

    assert parameters(client) == ["name", "times", "loud", "word", "speed"]
    assert client.call("/?name=Ada&times=4").answer == error(
        400, "times='4'; allowed: a whole number from 1 to 3"
    )


def test_the_clients_description_has_the_backends_trace(client: Service, backend: Service) -> None:
    trace_id = "15961303a22e3f7ae2f50b19e49f3e80"
    client.call("/openapi.json", "GET", f"traceparent: 00-{trace_id}-b9c7c989f97918e1-01")

    eventually("a line of both", lambda: backend.requests(path="/openapi.json", trace_id=trace_id))


REFUSED: list[tuple[str, str, list[str], bytes, int]] = [
    ("/?a&" + "a&" * 1000, "GET", [], b"", 400),
    ("/?" + "a" * 60_001, "GET", [], b"", 414),
    ("/", "GET", ["Expect: a cake"], b"", 417),
    ("/", "GET", [f"A: {'a' * 20_000}"], b"", 431),
    ("/", "GET", ["Transfer-Encoding: xchunked"], b"", 501),
    ("/", "GET", ["A : b"], b"", 400),
]


@pytest.mark.parametrize(("target", "method", "headers", "body", "status"), REFUSED)
@pytest.mark.parametrize("name", ["backend", "client"])
def test_every_refusal_is_described(  # noqa: PLR0917  parametrised
    request: pytest.FixtureRequest,
    name: str,
    target: str,
    method: str,
    headers: list[str],
    body: bytes,
    status: int,
) -> None:
    service: Service = request.getfixturevalue(name)

    assert service.call(target, method, *headers, body=body).status == status
    for path in ("/", "/healthz", "/readyz", "/version", "/openapi.json"):
        assert str(status) in responses(service, path, method)
