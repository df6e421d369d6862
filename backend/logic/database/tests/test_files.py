"""Files: what is in them, as it is, and queries that are stopped in time."""

import csv
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from functools import partial
from pathlib import Path
from statistics import median
from threading import Event
from time import process_time, sleep, thread_time
from typing import Any

import duckdb
import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound, ServiceUnavailable

from backend.app import create_app
from backend.logic.database import EXAMPLE
from backend.logic.database.database import Database
from backend.logic.database.files import MAX_QUERIES, File
from backend.logic.database.settings import Settings
from backend.logic.database.tests.samples import orders, readings
from backend.logic.database.tools.time_zones import rows
from tests.calls import PATIENCE, Reply, error, eventually
from tests.conftest import Start
from tests.processes import Service

BUSY = error(503, "database busy", "backend")
# What busy cores add to the longest wait for an answer (seconds).
MARGIN = 5.0
TOO_SLOW = error(503, "database too slow: stopped after 1.7 s", "backend")


def read(path: Path, **query: str) -> dict[str, Any]:
    with closing(File(path, PATIENCE)) as file:
        database = Database(file)
        (table,) = database.tables()
        return database.page(table, MultiDict(query))


def listed(path: Path) -> list[dict[str, Any]]:
    with closing(File(path, PATIENCE)) as file:
        return list(Database(file).list_tables(MultiDict())["tables"])


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".duckdb"])
def test_each_format_has_the_same_rows(tmp_path: Path, suffix: str) -> None:
    sample = orders(300)
    query = {"limit": "100", "sort": "-day", "select": "id,day,paid,items"}

    assert read(sample.write(tmp_path / f"orders{suffix}"), **query) == read(
        sample.write(tmp_path / "x.duckdb"), **query
    )


def test_the_first_column_of_a_file_is_its_key_if_its_values_differ(tmp_path: Path) -> None:
    assert listed(orders(300).write(tmp_path / "orders.csv"))[0]["key"] == ["id"]
    assert listed(readings(300).write(tmp_path / "readings.csv"))[0]["key"] == []


def test_a_csvs_columns_have_the_kinds_that_all_rows_have(tmp_path: Path) -> None:
    file = tmp_path / "my orders.v2.csv"
    file.write_text(
        'number;"at";day;ok;note\n' + "1;2026-01-02 03:04:05;2026-01-02;true;x\n" * 30_000 + "1.5;;;;\n"
    )

    (table,) = listed(file)

    kinds = {"number": "real", "at": "timestamp", "day": "date", "ok": "boolean", "note": "text"}
    assert table == {"name": "my orders", "columns": kinds, "key": []}
    assert read(file, at__isnull="true")["rows"] == [dict.fromkeys(kinds) | {"number": 1.5}]


@pytest.mark.parametrize("offset", range(5))
def test_pages_that_begin_among_equal_rows_repeat_none(tmp_path: Path, offset: int) -> None:
    file = tmp_path / "equal.csv"
    file.write_text("a,b\n" + "1,1\n" * 4 + "1,2\n" * 3)

    found, query = [], {"limit": "1", "offset": str(offset)}
    while query:
        page = read(file, **query)
        found += [row["b"] for row in page["rows"]]
        query = {"limit": "1", "next": page["next"]} if "next" in page else {}

    assert found == [1, 1, 1, 1, 2, 2, 2][offset:]


def test_rows_have_paths_by_their_key(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(path) as file:
        file.execute('CREATE TABLE stock (shop TEXT, day DATE, "n/a" INTEGER, PRIMARY KEY (shop, day))')
        file.execute("INSERT INTO stock VALUES ('a,b/c', '2026-01-02', 7)")
        file.execute("CREATE VIEW seen AS FROM stock")
    with closing(File(path, PATIENCE)) as source:
        database = Database(source)

        assert database.row("stock", "a%2Cb/c,2026-01-02", MultiDict()) == {
            "message": "stock where shop is a,b/c and day is 2026-01-02",
            "row": {"shop": "a,b/c", "day": "2026-01-02", "n/a": 7},
        }
        with pytest.raises(NotFound, match="no row of stock where shop is a and day is 2026-01-02"):
            database.row("stock", "a,2026-01-02", MultiDict())
        with pytest.raises(
            NotFound, match=r"seen has no key, so its rows have no paths; allowed: /seen\?column"
        ):
            database.row("seen", "a", MultiDict())


def test_sqlite_is_read_as_it_is_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, d DATE, p DECIMAL(5, 2), b BOOLEAN, x BLOB, y)")
        rows = [(1, "2026-01-02", 1.5, True, b"\xff\0", "é"), (2, 7, "a", None, None, b"\0")]
        file.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", rows)
        file.commit()
    files = {each.name: each.read_bytes() for each in tmp_path.iterdir()}

    answer = read(path, sort="-p")

    assert answer["rows"] == [
        {"id": 2, "d": 7, "p": "a", "b": None, "x": None, "y": "\0"},
        {"id": 1, "d": "2026-01-02", "p": 1.5, "b": True, "x": "\ufffd\0", "y": "é"},
    ]
    assert read(path, d="2026-01-02", b="true", y__contains="é", p__lt="2")["total"] == 1
    assert read(path, compute="mean:p,sum:id,max:d", group_by="b", sort="-sum_id")["total"] == 2
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == files


def test_sqlite_pages_through_rows_that_sort_alike(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        file.executemany("INSERT INTO t VALUES (?, ?)", [(n % 2 or None, "x") for n in range(25)])
        file.commit()

    found: list[Any] = []
    place: dict[str, str] | None = {}
    while place is not None:
        answer = read(path, limit="4", sort="-a", **place)
        found += [row["a"] for row in answer["rows"]]
        place = {"next": answer["next"]} if "next" in answer else None

    assert found == [1] * 12 + [None] * 13


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("nowhere.csv", None, "No such file"),
        ("broken.parquet", b"PAR1broken", "[Pp]arquet"),
        ("broken.duckdb", b"12345678DUCK" + b"x" * 5000, ""),
        ("broken.sqlite", b"SQLite format 3\0" + b"x" * 5000, "file is not a database"),
    ],
)
def test_what_cannot_be_read_is_named_in_the_log(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(ServiceUnavailable, match="database misconfigured") as refused:
        listed(tmp_path / name)

    assert re.search(rf"DATA=.*{name}: .*{reason}", str(refused.value.__cause__))


def test_the_data_has_no_way_out(tmp_path: Path) -> None:
    with closing(File(orders(10).write(tmp_path / "orders.parquet"), PATIENCE)) as file:
        Database(file).tables()
        for sql in ("FROM read_csv('/etc/passwd')", "INSTALL httpfs", "SET memory_limit = '9GB'"):
            with pytest.raises(duckdb.Error):
                file.engine.connect().execute(sql, [])


def endless(path: Path) -> Path:
    """Make a database with a view that takes longer than anybody waits."""
    with duckdb.connect(path) as file:
        file.execute("CREATE VIEW endless AS SELECT count(*) AS n FROM range(1000000) a, range(1000000) b")
        file.execute("CREATE TABLE quick AS SELECT 1 AS n")
    return path


def test_a_query_that_takes_too_long_is_stopped_in_the_database_too(tmp_path: Path) -> None:
    with closing(File(endless(tmp_path / "x.duckdb"), seconds=1)) as file:
        database = Database(file)
        eventually("it is read", lambda: is_read(database))
        with pytest.raises(ServiceUnavailable, match="too slow: stopped after 1 s"):
            database.page("endless", MultiDict())
        used = process_time()
        sleep(0.5)

        assert process_time() - used < 0.25, "expected that no thread of it goes on"


def is_read(database: Database) -> bool:
    try:
        return bool(database.tables())
    except ServiceUnavailable:
        return False


def test_slow_queries_block_neither_health_nor_a_caller_beyond_them(start: Start, tmp_path: Path) -> None:
    backend = start("backend", LOGIC="database", DATA=str(endless(tmp_path / "x.duckdb")))
    eventually("it is ready", lambda: backend.call("/quick").status == 200)

    over = Event()

    def call_until_over() -> list[Reply]:
        replies = [backend.call("/endless")]
        while not over.is_set():
            replies.append(backend.call("/endless"))
        return replies

    with ThreadPoolExecutor(MAX_QUERIES) as callers:
        slow = [callers.submit(call_until_over) for _ in range(MAX_QUERIES)]
        try:
            eventually("others find no thread", lambda: backend.call("/quick").answer == BUSY)
            health = [backend.call("/healthz").seconds for _ in range(5)]
        finally:
            over.set()
        answers = [reply for each in slow for reply in each.result()]

    assert all(reply.answer in (TOO_SLOW, BUSY) for reply in answers)
    assert max(reply.seconds for reply in answers) < 2 + MARGIN
    assert median(health) < 1
    eventually("it answers again", lambda: backend.call("/quick").status == 200)


def test_unchanged_data_is_not_sent_again(start: Start, tmp_path: Path) -> None:
    path = orders(10).write(tmp_path / "orders.csv")
    backend = start("backend", LOGIC="database", DATA=str(path))
    eventually("it is ready", lambda: backend.call("/orders?limit=1").status == 200)
    tag = backend.call("/").headers["ETag"]

    again = backend.call("/orders?limit=1", "GET", f"If-None-Match: {tag}")
    path.touch()
    changed = backend.call("/orders?limit=1", "GET", f"If-None-Match: {tag}")

    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert changed.status == 200


def test_the_list_of_100_tables_costs_about_as_much_as_hello(tmp_path: Path) -> None:
    """Callers of `/` would be the load that a process cannot bear; nothing but a restart changes the list."""
    path = tmp_path / "many.duckdb"
    with duckdb.connect(path) as file:
        for number in range(100):
            file.execute(f"CREATE TABLE t{number} ({', '.join(f'column_{n} INTEGER' for n in range(20))})")
    apps = create_app(Settings(logic="hello")), create_app(Settings(data=str(path), logic="database"))
    hello, many = (app.test_client() for app in apps)
    eventually("it is read", lambda: len(many.get("/").get_json().get("tables", ())) == 100)

    def cost(client: FlaskClient) -> float:
        began = thread_time()
        for _ in range(20):
            client.get("/")
        return thread_time() - began

    costs = [(cost(hello), cost(many)) for _ in range(10)]
    apps[1].extensions["close"]()
    assert min(many for _, many in costs) < 3 * min(hello for hello, _ in costs)


def test_a_table_whose_name_is_not_ascii_is_served(tmp_path: Path) -> None:
    app = create_app(Settings(data=str(orders(10).write(tmp_path / "größen.csv")), logic="database"))
    caller = app.test_client()
    eventually("it is read", lambda: caller.get("/").status_code == 200)

    (table,) = caller.get("/").get_json()["tables"]
    reply = caller.get("/gr%C3%B6%C3%9Fen?limit=1")
    app.extensions["close"]()

    assert (table["name"], reply.status_code, len(reply.get_json()["rows"])) == ("größen", 200, 1)


def is_ready(backend: Service) -> bool:
    return backend.call("/readyz").status == 200


def test_other_code_does_not_say_that_its_answers_are_unchanged(start: Start, tmp_path: Path) -> None:
    path = orders(10).write(tmp_path / "orders.csv")
    tags = []
    for commit in ("1234567", "1234568"):
        backend = start("backend", LOGIC="database", DATA=str(path), GIT_COMMIT=commit)
        eventually("it is ready", partial(is_ready, backend))
        tags.append(backend.call("/").headers["ETag"])

    assert tags[0] != tags[1]


def test_the_example_is_what_the_locked_tz_database_says_of_its_date() -> None:
    """If not: `python -m backend.logic.database.tools.time_zones` makes it anew."""
    with EXAMPLE.open(encoding="utf-8", newline="") as file:
        shipped = list(csv.reader(file))

    (as_of,) = {row[-1] for row in shipped[1:]}
    assert shipped == list(rows(date.fromisoformat(as_of)))
    assert read(EXAMPLE, name="Europe/Paris")["rows"] == [
        {
            "name": "Europe/Paris",
            "country_code": "FR",
            "country": "France",
            "latitude": 48.8667,
            "longitude": 2.3333,
            "utc_offset_minutes": 60,
            "summer_offset_minutes": 120,
            "comment": None,
            "as_of": as_of,
        }
    ]
