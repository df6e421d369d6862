"""PostgreSQL: its tables as they are, whatever role, pooler or standby, and nothing written into it."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, NotFound, ServiceUnavailable

from backend.logic.database.database import Database
from backend.logic.database.pages import Place, encode
from backend.logic.database.postgresql import PostgreSQL
from backend.logic.database.tests.postgresql import USER, binary
from backend.logic.database.tests.postgresql import PostgreSQL as Server
from backend.logic.database.tests.samples import orders
from tests.calls import error, eventually
from tests.conftest import Start
from tests.processes import free_port

MISCONFIGURED = error(503, "database misconfigured; the service's log has the details", "backend")


@contextmanager
def database(url: str, served: str = "public.*") -> Iterator[Database]:
    found = Database(PostgreSQL(url, served, seconds=60))
    with closing(found.source):
        yield found


def first_ids(found: Database) -> list[Any]:
    return [row["id"] for row in found.page("orders", MultiDict({"limit": "3", "select": "id"}))["rows"]]


def test_tables_and_views_are_served_with_their_columns_and_keys(server: Server, filled: str) -> None:
    server.execute("CREATE VIEW paid AS SELECT id, price FROM orders WHERE paid", filled)
    server.execute(f"GRANT SELECT ON paid TO {filled}", filled)

    with database(server.url(filled)) as found:
        tables = {table["name"]: table for table in found.list_tables(MultiDict())["tables"]}

    assert list(tables) == ["orders", "paid", "readings"]
    assert tables["orders"]["key"] == ["id"]
    assert tables["orders"]["columns"]["seen"] == "timestamp with time zone"
    assert tables["paid"] == {"name": "paid", "columns": {"id": "integer", "price": "decimal"}, "key": []}


def test_only_what_is_named_is_served(server: Server, filled: str) -> None:
    server.execute("CREATE SCHEMA sales", filled)
    server.execute('CREATE TABLE sales.orders ("a, b" int, "c""d" int, PRIMARY KEY ("c""d", "a, b"))', filled)
    server.execute("CREATE TABLE secrets (id int)", filled)
    server.execute(f"GRANT USAGE ON SCHEMA sales TO {filled}", filled)
    server.execute(f"GRANT SELECT ON sales.orders TO {filled}", filled)
    server.execute("INSERT INTO sales.orders VALUES (1, 2)", filled)

    with database(server.url(filled), "public.orders,sales.*") as found:
        assert list(found.tables()) == ["orders", "sales.orders"]
        assert found.row("sales.orders", "2,1", MultiDict())["row"] == {"a, b": 1, 'c"d': 2}
        with pytest.raises(NotFound, match=r"no table 'readings'; allowed: orders, sales\.orders"):
            found.page("readings", MultiDict())


def test_types_that_are_not_known_are_texts(server: Server, filled: str) -> None:
    server.execute("CREATE TYPE mood AS ENUM ('sad', 'glad')", filled)
    server.execute(
        "CREATE TABLE odd (id char(3) PRIMARY KEY, mood mood, doc jsonb, tags text[], raw bytea, "
        "span interval, inf float8, short float4, late timestamp, free numeric)",
        filled,
    )
    server.execute(
        "INSERT INTO odd VALUES ('a', 'glad', '{\"a\": 1}', '{x,y}', '\\x00ff', '1 day', 'NaN', 0.1, "
        "'infinity', 1.10)",
        filled,
    )
    server.execute(f"GRANT SELECT ON odd TO {filled}", filled)

    with database(server.url(filled), "public.odd") as found:
        (row,) = found.page("odd", MultiDict({"mood": "glad", "doc__contains": '"a"', "sort": "doc,tags"}))[
            "rows"
        ]
        assert found.row("odd", "a", MultiDict())["row"] == row
        total = found.page("odd", MultiDict({"compute": "count,max:mood,max:doc", "group_by": "doc"}))["rows"]
        with pytest.raises(BadRequest, match="out of the range"):
            found.page("odd", MultiDict({"compute": "sum:inf"}))

    assert row == {
        "id": "a",
        "mood": "glad",
        "doc": '{"a": 1}',
        "tags": "{x,y}",
        "raw": "\\x00ff",
        "span": "1 day",
        "inf": "NaN",
        "short": 0.10000000149011612,
        "late": "infinity",
        "free": "1.10",
    }
    assert total == [{"doc": '{"a": 1}', "count": 1, "max_mood": "glad", "max_doc": '{"a": 1}'}]


def test_nothing_is_written(server: Server, filled: str) -> None:
    def state() -> list[Any]:
        catalogue = "SELECT oid, relname, relfilenode, relacl FROM pg_class ORDER BY oid"
        return [server.execute(catalogue, filled), server.execute("SELECT pg_current_snapshot()", filled)]

    before = state()
    with database(server.url(filled)) as found:
        assert first_ids(found) == [-500, -497, -494]
        found.page("orders", MultiDict({"compute": "mean:price", "group_by": "customer", "total": "true"}))
        with pytest.raises(ServiceUnavailable) as refused, found.source.reading() as execute:
            execute(text("CREATE TABLE mine ()"), {})  # type: ignore[arg-type]

    assert "read-only" in str(refused.value.__cause__)
    assert state() == before, "expected no transaction that got a number, as those that write do"


def test_a_role_that_may_only_read_is_enough(server: Server, filled: str) -> None:
    server.execute("CREATE ROLE reader LOGIN PASSWORD 'p@ss/word'")
    server.execute("ALTER ROLE reader SET default_transaction_read_only = on")
    server.execute("GRANT SELECT ON orders TO reader", filled)

    with database(server.url(filled).replace(f"{filled}:", "reader:")) as found:
        assert list(found.tables()) == ["orders"], "expected none that it may not read"
        assert first_ids(found) == [-500, -497, -494]


@pytest.mark.full  # copies the server
def test_a_hot_standby_is_enough(server: Server, filled: str) -> None:
    with server.standby() as standby, database(standby.url(filled)) as found:
        assert standby.execute("SELECT pg_is_in_recovery()") == [(True,)]
        assert first_ids(found) == [-500, -497, -494]


@contextmanager
def pgbouncer(server: Server) -> Iterator[int]:
    """Run a PgBouncer in front of the server that changes connections after each transaction."""
    program, port = binary("pgbouncer"), free_port()
    with tempfile.TemporaryDirectory() as folder:
        ini = Path(folder) / "ini"
        ini.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port} user=postgres password='p@ss/word'\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n"
        )
        if USER:
            shutil.chown(folder, USER)
        with subprocess.Popen([program, str(ini)], user=USER, stderr=subprocess.DEVNULL) as process:
            try:
                yield port
            finally:
                process.terminate()


def test_pgbouncer_in_transaction_mode_is_enough(server: Server, filled: str) -> None:
    with pgbouncer(server) as port:
        url = re.sub(r":\d+/", f":{port}/", server.url(filled))
        with database(url, "public.orders") as found:
            eventually("PgBouncer answers", lambda: is_ready(found))
            for _ in range(20):
                assert first_ids(found) == [-500, -497, -494]


def is_ready(found: Database) -> bool:
    try:
        return bool(found.tables())
    except ServiceUnavailable:
        return False


@pytest.mark.parametrize(
    ("change", "served", "reason"),
    [
        (("p%40ss", "wrong"), "public.orders", "password authentication failed for user"),
        ((r"/pair_\d+$", "/peer"), "public.orders", 'database "peer" does not exist'),
        (("$", ""), "public.order", r"no public\.order that this user may read; there are orders, readings"),
        (("$", ""), "public.orders,nowhere.*", r"no nowhere\.\* that this user may read; there are none"),
    ],
)
def test_what_does_not_fit_is_the_cause_of_the_error(
    server: Server, filled: str, change: tuple[str, str], served: str, reason: str
) -> None:
    with (
        database(re.sub(*change, server.url(filled)), served) as found,
        pytest.raises(ServiceUnavailable, match="database misconfigured") as refused,
    ):
        found.tables()

    assert re.search(reason, str(refused.value.__cause__))


def test_what_does_not_fit_is_named_in_the_log_and_keeps_it_from_being_ready(
    start: Start, server: Server, filled: str
) -> None:
    backend = start("backend", LOGIC="database", DATABASE_URL=server.url(filled), DATABASE_TABLES="public.o")

    assert backend.call("/readyz").answer == MISCONFIGURED
    assert backend.call("/orders").answer == MISCONFIGURED
    assert backend.call("/healthz").status == 200
    messages = [line.get("message", "") for line in backend.lines]
    assert any(re.search(r"misconfigured.*no public\.o that", message) for message in messages)


def test_a_column_that_is_dropped_later_is_named_in_the_log(
    start: Start, server: Server, filled: str
) -> None:
    settings = {"DATABASE_URL": server.url(filled), "DATABASE_TABLES": "public.orders"}
    backend = start("backend", LOGIC="database", **settings)
    assert backend.call("/orders").status == 200

    server.execute("ALTER TABLE orders DROP COLUMN token", filled)

    assert backend.call("/orders").answer == MISCONFIGURED
    assert "column orders.token does not exist" in backend.log


def test_a_forged_next_is_refused_or_answered(server: Server, filled: str) -> None:
    texts = ["x", "\0", "2024-01-01", "infinity", True, 1, 1.5, 1e999, None]
    with database(server.url(filled)) as found:
        for last in product(texts, ["x", "1", True, 2**70, 1.5, None]):
            forged = encode(Place(5, list(last)), "orders", ("day", "id"))
            with suppress(BadRequest):
                found.page("orders", MultiDict({"sort": "day", "next": forged}))


def test_the_sample_has_values_of_all_kinds() -> None:
    assert all(
        any(row[name] is None for row in orders(500).rows) for name in ("price", "at", "seen", "token")
    )
