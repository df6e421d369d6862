"""What `database` describes at /openapi.json is what it does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from backend.app import create_app
from backend.description import described
from backend.logic.database import EXAMPLE, make
from backend.logic.database.description import MAX_COLUMNS, operations
from backend.logic.database.kinds import SCHEMAS, TYPES
from backend.logic.database.query import OPTIONS, parse
from backend.logic.database.settings import Settings
from backend.logic.database.tables import Described, DescribedTable, Table, make_table
from backend.logic.database.tests.samples import orders, readings
from tests.calls import eventually
from tests.conftest import RecordProperty
from tests.described import FEW, MANY, conforms, described_routes, responses, routes
from tests.processes import Service, running

HOOKS = "backend.logic.database.tests.hooks"


@contextmanager
def serving(path: Path) -> Iterator[tuple[Service, Service]]:
    """Run a backend with this data, and a client of it."""
    with running("backend", LOGIC="database", DATA=str(path)) as backend:
        eventually("it is ready", lambda: backend.call("/readyz").status == 200)
        with running("client", URL=f"127.0.0.1:{backend.port}") as client:
            yield backend, client


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A client of a backend with a small table."""
    path = tmp_path_factory.mktemp("data") / "small.csv"
    path.write_text("id,name\n1,Ada\n2,\n")
    with serving(path) as (_, client):
        yield client


def table(name: str, columns: int, key: list[str]) -> Table:
    described = [Described(f"c{n}", "INTEGER", nullable=True) for n in range(columns)]
    return make_table(DescribedTable("public", name, described, key), "postgresql", "public")


def test_a_small_table_answers_as_described(
    small: Service, tmp_path: Path, record_property: RecordProperty
) -> None:
    record_property("sent", conforms(small, tmp_path, FEW, HOOKS))


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("examples", [FEW, MANY])
@pytest.mark.parametrize("data", ["the example", "all kinds"])
def test_the_example_and_tables_of_all_kinds_answer_as_described(
    tmp_path: Path, data: str, examples: int, record_property: RecordProperty
) -> None:
    path = tmp_path / "all.duckdb"
    if data == "all kinds":
        for sample in (orders(50), readings(50)):
            sample.write(path)
    with serving(EXAMPLE if data == "the example" else path) as (backend, client):
        sent = [conforms(service, tmp_path, examples, HOOKS) for service in (backend, client)]
    record_property("sent", sum(sent))


def document(tables: list[Table]) -> dict[str, Any]:
    """Return what is described of the tables, by path."""
    found = operations(tables, versions=True)
    return {each.path or each.rule: described(each, each.path or each.rule) for each in found}


def test_each_table_is_described_with_its_columns() -> None:
    sample = orders(1)
    columns = [Described(name, kind, nullable=True) for name, kind in sample.columns.items()]
    paths = document(
        [make_table(DescribedTable("public", "orders", columns, ["id"]), "postgresql", "public")]
    )

    assert list(paths) == ["/", "/orders", "/orders/{id}"]
    by_name = {each["name"]: each for each in paths["/orders"]["parameters"]}
    assert by_name["price"]["schema"] == by_name["price__gte"]["schema"]
    assert by_name["price"]["description"] == "price is a number such as -12.5."
    assert by_name["select"]["schema"]["items"]["enum"][:3] == ["id", "customer", "price"]
    assert by_name["select__eq"]["schema"]["type"] == "integer", "a column that is named like an option"
    assert by_name["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert {"customer__contains", "id__in", "day__isnull"} <= by_name.keys()
    assert "price__contains" not in by_name
    assert set(OPTIONS) <= by_name.keys()
    [key] = paths["/orders/{id}"]["parameters"]
    assert (key["name"], key["in"], key["schema"]["type"]) == ("id", "path", "integer")


def test_every_route_is_described_with_exactly_its_methods() -> None:
    app = create_app(Settings(logic="database"))
    client = app.test_client()

    eventually("it is read", lambda: client.get("/openapi.json").status_code == 200)
    assert described_routes(app, client.get("/openapi.json").get_json()) == routes(app)
    app.extensions["close"]()


def test_all_kinds_have_a_schema() -> None:
    assert TYPES.keys() <= SCHEMAS.keys()


@pytest.mark.parametrize(
    ("target", "status", "path"),
    [
        ("/small", 200, "/small"),
        ("/small?id=x", 400, "/small"),
        ("/small/1", 200, "/small/{id}"),
        ("/small/7", 404, "/small/{id}"),
        ("/small/x", 400, "/small/{id}"),
        ("/", 200, "/"),
        ("/?a=b", 400, "/"),
    ],
)
def test_every_status_is_described(small: Service, target: str, status: int, path: str) -> None:
    reply = small.call(target)

    assert reply.status == status
    assert str(status) in responses(small, path, "GET")
    if status == 200:
        assert small.call(target, "GET", f"If-None-Match: {reply.headers['ETag']}").status == 304
        assert "304" in responses(small, path, "GET")


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    logic = make(Settings(logic="database", data=str(tmp_path / "missing.csv")))

    assert logic.parameters is None
    logic.close()


def test_what_a_parameter_describes_is_what_the_query_takes() -> None:
    every = table("t", 3, ["c0"])
    examples: dict[str, Any] = {"boolean": "true", "integer": "1"}
    for each in document([every])["/t"]["parameters"]:
        schema, name = each["schema"], each["name"]
        text = "1" if "__in" in name else examples.get(schema["type"])
        text = text or (schema["items"]["enum"][0] if schema["type"] == "array" else None)
        if text:
            parse(every, MultiDict({name: text} | ({"compute": "count"} if name == "group_by" else {})))


def test_more_columns_than_the_client_can_read_are_described_together() -> None:
    tables = [table(f"t{n}", 50, ["c0", "c1"]) for n in range(100)]

    paths = list(document(tables))
    assert len([path for path in paths if path.startswith("/t")]) == 2 * MAX_COLUMNS / 50
    assert paths[:3] == ["/", "/t0", "/t0/{c0},{c1}"]
    assert paths[-2:] == ["/<table>", "/<table>/<path:key>"]


def test_a_table_without_a_key_has_no_rows_of_their_own() -> None:
    paths = document([table("a b", 1, [])])

    assert list(paths) == ["/", "/a%20b", "/<table>/<path:key>"]
    assert all("304" in each["responses"] for each in paths.values())


def test_the_longest_description_is_one_that_the_client_reads() -> None:
    columns = [Described(f"a_column_with_a_long_name_{n}", "TIMESTAMP", nullable=True) for n in range(4)]
    tables = [
        make_table(DescribedTable("a_schema", f"a_table_{n}", columns, []), "postgresql", "public")
        for n in range(100)
    ]

    assert len(json.dumps(document(tables), separators=(",", ":"))) < 900_000
