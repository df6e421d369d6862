"""LOGIC=database: the same answers from SQLite and PostgreSQL, and clean errors during outages."""

import re
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from threading import Event
from time import monotonic
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import ServiceUnavailable

from backend.logic.database import MAX_CONNECTIONS, Database
from backend.logic.database import MAX_WAIT as CONNECTION_WAIT
from backend.logic.database import postgresql as postgresql_engine
from backend.logic.database import sqlite as sqlite_engine
from backend.logic.database.table import TABLE, rows
from tests import postgresql
from tests.calls import Reply, error, eventually
from tests.conftest import Start
from tests.postgresql import PostgreSQL
from tests.processes import Service, running

ROWS = rows()
# The longest wait for a 503 while the database is unavailable, and what busy cores add (seconds).
MAX_WAIT, MARGIN = 2.0, 3.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql.running() as it:
        yield it


@pytest.fixture(scope="module")
def sqlite() -> Iterator[Service]:
    with running("backend", LOGIC="database") as it:
        yield it


@pytest.fixture(scope="module")
def postgres(server: PostgreSQL) -> Iterator[Service]:
    with running("backend", LOGIC="database", DATABASE_URL=server.url(server.new_database())) as it:
        yield it


def get(service: Service, **query: Any) -> tuple[int, Any]:
    return service.call(f"/?{urlencode(query)}").answer


# SQLite, through the client


def test_the_client_passes_on_the_query_and_the_added_fields(start: Start, sqlite: Service) -> None:
    client = start("client", URL=f"127.0.0.1:{sqlite.port}")

    assert get(client, latitude__gte=60, sort="-latitude", limit=1, offset=1) == (
        200,
        {
            "status_code": 200,
            "message": "time zones where latitude is at least 60: 1 of 23",
            "source": "client",
            "rows": [next(row for row in ROWS if row["name"] == "America/Danmarkshavn")],
            "total": 23,
        },
    )
    status, answer = get(client, limit=101)
    assert (status, answer["exc"]) == (400, "limit='101'; allowed: a whole number from 1 to 100")


def test_a_computed_number_is_in_the_message(sqlite: Service) -> None:
    status, answer = get(sqlite, compute="mean:latitude", country_code="FR")

    assert (status, answer["message"], answer["rows"], answer["total"]) == (
        200,
        "mean of latitude of time zones where country_code is FR: 48.8667",
        [{"mean": 48.8667}],
        1,
    )


def test_without_a_query_the_first_twenty_come(sqlite: Service) -> None:
    _, answer = get(sqlite)

    assert answer["rows"] == sorted(ROWS, key=lambda row: row["name"])[:20]
    assert (answer["total"], answer["message"]) == (418, "time zones: 20 of 418")


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ({"offset": 418}, 418),
        ({"offset": 1000, "name__contains": "Europe/"}, 58),
        ({"compute": "mean:latitude", "offset": 1}, 1),
        ({"compute": "mean:latitude", "group_by": "country_code", "offset": 500}, 247),
        ({"name": "nowhere"}, 0),
        ({"name": "nowhere", "offset": 1}, 0),
    ],
)
def test_a_page_without_rows_has_the_total(sqlite: Service, query: dict[str, Any], total: int) -> None:
    _, answer = get(sqlite, **query)

    assert (answer["rows"], answer["total"]) == ([], total)


def test_nulls_come_last_in_both_directions(sqlite: Service) -> None:
    for sort in ("summer_offset_minutes", "-summer_offset_minutes"):
        _, answer = get(sqlite, sort=sort, offset=320, limit=100)
        assert {row["summer_offset_minutes"] for row in answer["rows"]} == {None}


def test_each_operator_means_what_it_says(sqlite: Service) -> None:
    def names(**query: Any) -> set[str]:
        _, answer = get(sqlite, **query, limit=100, name__contains="Europe/")
        return {row["name"] for row in answer["rows"]}

    def expected(holds: Any) -> set[str]:
        return {row["name"] for row in ROWS if "Europe/" in row["name"] and holds(row)}

    assert names(latitude=52.5) == expected(lambda row: row["latitude"] == 52.5) != set()
    assert names(latitude__ne=52.5) == expected(lambda row: row["latitude"] != 52.5)
    assert names(latitude__lt=52.5) == expected(lambda row: row["latitude"] < 52.5)
    assert names(latitude__lte=52.5) == expected(lambda row: row["latitude"] <= 52.5)
    assert names(latitude__gt=52.5) == expected(lambda row: row["latitude"] > 52.5)
    assert names(latitude__gte=52.5) == expected(lambda row: row["latitude"] >= 52.5)
    assert names(country_code__in="DE,AX") == expected(lambda row: row["country_code"] in ("DE", "AX"))
    assert names(country__contains="land") == expected(lambda row: "land" in row["country"])
    assert names(country__contains="LAND") == names(country__contains="l_nd") == set()


# The same on both


def texts(column: str) -> st.SearchStrategy[str]:
    """A column's values, pieces of them, and any others that its type allows."""
    values = sorted({str(row[column]) for row in ROWS if row[column] is not None})
    kind = TABLE.c[column].type.python_type
    if kind is int:
        return st.sampled_from(values) | st.integers(-(10**18) + 1, 10**18 - 1).map(str)
    if kind is float:
        return st.sampled_from(values) | st.floats(-200, 200, allow_nan=False).map(
            lambda value: f"{value:.15f}"
        )
    pieces = st.builds(
        lambda text, at, size: text[at : at + size], st.sampled_from(values), *[st.integers(0, 9)] * 2
    )
    other = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)
    return st.sampled_from(values) | pieces | other


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, str]:
    column = draw(st.sampled_from(TABLE.c.keys()))
    operator = draw(st.sampled_from(["", "__ne", "__lt", "__lte", "__gt", "__gte", "__in", "__contains"]))
    if operator == "__contains" and TABLE.c[column].type.python_type is not str:
        operator = ""
    text = draw(texts(column).filter(lambda text: text or operator != "__contains"))
    if operator == "__in":
        text = text.replace(",", "")
        text = ",".join(
            [text, *draw(st.lists(texts(column).map(lambda each: each.replace(",", "")), max_size=3))]
        )
    return column + operator, text


@st.composite
def queries(draw: st.DrawFn) -> str:
    query = draw(st.lists(conditions(), max_size=2))
    columns = list(TABLE.c.keys())
    if draw(st.booleans()):
        function = draw(st.sampled_from(["count", "sum", "mean", "min", "max"]))
        kinds = (int, float) if function in ("sum", "mean") else (int, float, str)
        column = draw(st.sampled_from([name for name in columns if TABLE.c[name].type.python_type in kinds]))
        query.append(("compute", f"{function}:{column}"))
        columns = [function]
        if draw(st.integers(0, 3)):
            columns.append(draw(st.sampled_from(TABLE.c.keys())))
            query.append(("group_by", columns[-1]))
    if sort := draw(st.lists(st.sampled_from(columns), max_size=2, unique=True)):
        query.append(("sort", ",".join(draw(st.sampled_from(["", "-"])) + name for name in sort)))
    query.append(("limit", str(draw(st.integers(1, 100)))))
    query.append(("offset", str(draw(st.just(0) | st.integers(0, 500)))))
    return urlencode(query)


def test_200_queries_have_the_same_answers_from_sqlite_and_postgresql(
    sqlite: Service, postgres: Service
) -> None:
    with_rows = 0

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(queries())
    def check(query: str) -> None:
        nonlocal with_rows
        status, ours = sqlite.call(f"/?{query}").answer
        assert (status, ours) == postgres.call(f"/?{query}").answer
        assert status == 200, ours
        with_rows += bool(ours["rows"])

    check()
    assert with_rows > 100, "expected most queries to find something"


@pytest.mark.parametrize("column", ["latitude", "longitude", "utc_offset_minutes", "summer_offset_minutes"])
@pytest.mark.parametrize("group", ["country", "comment", "utc_offset_minutes"])
def test_sums_and_means_of_every_group_are_the_same(
    sqlite: Service, postgres: Service, column: str, group: str
) -> None:
    for function in ("sum", "mean"):
        query = {"compute": f"{function}:{column}", "group_by": group, "sort": f"-{function}", "limit": 100}
        for offset in (0, 100, 200):
            assert get(sqlite, **query, offset=offset) == get(postgres, **query, offset=offset)


# PostgreSQL comes and goes


def test_pods_that_start_together_insert_the_rows_once(start: Start, server: PostgreSQL) -> None:
    database = server.new_database()
    pods = [start("backend", LOGIC="database", DATABASE_URL=server.url(database)) for _ in range(3)]

    def call_until_ready(pod: Service) -> None:
        eventually("the Pod is ready", lambda: pod.call("/readyz").status == 200)

    with server.connect(database) as blocking, ThreadPoolExecutor(3) as callers:
        with blocking.transaction(force_rollback=True):
            blocking.execute("CREATE TABLE time_zones ()")
            calls = [callers.submit(call_until_ready, pod) for pod in pods]
            eventually("all are about to insert them", lambda: server.execute(WAITING) == [(3,)])
        for call in calls:
            call.result()

    assert server.execute("SELECT count(*) FROM time_zones", database) == [(418,)]
    # One that has waited for too long tries again, but none may get in another's way.
    reasons = set(re.findall("database unavailable: (.*)", "".join(pod.log for pod in pods)))
    assert reasons <= {"canceling statement due to statement timeout"}


def test_a_table_with_rows_is_left_as_it_is(start: Start, server: PostgreSQL) -> None:
    database = server.new_database()
    start("backend", LOGIC="database", DATABASE_URL=server.url(database)).call("/readyz")
    server.execute("DELETE FROM time_zones WHERE name <> 'Europe/Paris'", database)

    again = start("backend", LOGIC="database", DATABASE_URL=server.url(database))

    assert again.call("/readyz").status == 200
    assert get(again)[1]["total"] == 1


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    if request.param == "sqlite":
        return Database(sqlite_engine())
    server = request.getfixturevalue("server")
    return Database(postgresql_engine(server.url(server.new_database())))


def test_a_request_is_one_statement_without_a_transaction(database: Database) -> None:
    database.ready()
    statements = []

    def note(connection: Any, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)
        assert connection.dialect.detect_autocommit_setting(connection.connection.dbapi_connection)

    event.listen(database.engine, "before_cursor_execute", note)
    found = database.answer(MultiDict({"country_code": "FR"}))

    assert (found["total"], len(statements)) == (1, 1)
    database.engine.dispose()


def test_a_request_can_only_read(database: Database) -> None:
    with pytest.raises(ServiceUnavailable) as refused, database.connection() as connection:
        connection.execute(TABLE.delete())

    assert re.search("read-?only", str(refused.value.__cause__))
    with database.connection() as connection:
        assert len(connection.execute(TABLE.select()).all()) == 418
    database.engine.dispose()


def test_it_is_ready_once_it_has_reached_the_database_and_stays_so(start: Start, server: PostgreSQL) -> None:
    database = server.new_database()
    server.kill()
    try:
        backend = start("backend", LOGIC="database", DATABASE_URL=server.url(database))
        assert backend.call("/readyz").answer == error(503, "database unavailable", "backend")
        assert backend.call("/healthz").status == 200
    finally:
        server.start()
    eventually("it is ready", lambda: backend.call("/readyz").status == 200)

    server.kill()
    try:
        assert backend.call("/").answer == error(503, "database unavailable", "backend")
        assert backend.call("/").headers["Retry-After"] == "1"
        assert backend.call("/readyz").status == 200
    finally:
        server.start()
    eventually("it answers again", lambda: backend.call("/").status == 200, within=5)


def test_a_database_that_comes_back_is_used_at_once_and_filled_if_it_is_empty(
    start: Start, server: PostgreSQL
) -> None:
    database = server.new_database()
    backend = start("backend", LOGIC="database", DATABASE_URL=server.url(database))
    assert backend.call("/").status == 200

    server.kill()
    server.start()
    assert backend.call("/").status == 200, "expected no use of a connection that the server closed"

    server.execute("DROP TABLE time_zones", database)
    assert backend.call("/").answer == error(503, "database unavailable", "backend")
    assert get(backend)[1]["total"] == 418


def test_a_database_killed_and_started_under_load_causes_only_clean_503s(
    start: Start, server: PostgreSQL, postgres: Service
) -> None:
    client = start("client", URL=f"127.0.0.1:{postgres.port}")
    over = Event()

    def call_until_over() -> list[Reply]:
        replies = []
        while not over.wait(0.01):
            replies.append(client.call("/?sort=-latitude"))
        return replies

    with ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(call_until_over) for _ in range(8)]
        try:
            for _ in range(2):
                eventually("200s", lambda: client.call().status == 200)
                server.kill()
                eventually("503s", lambda: client.call().status == 503)
                server.start()
                eventually("200s again", lambda: client.call().status == 200)
        finally:
            over.set()
        replies = [reply for each in calls for reply in each.result()]

    unclean = [reply for reply in replies if reply.status not in (200, 503)]
    reasons = Counter(reply.answer[1]["exc"] for reply in replies if reply.status == 503)
    assert not unclean
    assert set(reasons) <= {"database unavailable", "database too slow", "database busy"}
    assert max(reply.seconds for reply in replies) < MAX_WAIT + MARGIN
    assert Counter(reply.status for reply in replies).keys() == {200, 503}


def test_a_caller_beyond_the_connections_is_refused_in_time() -> None:
    database = Database(sqlite_engine())
    with ExitStack() as connections:
        for _ in range(MAX_CONNECTIONS):
            connections.enter_context(database.connection())
        refusals = []
        for _ in range(2):
            start = monotonic()
            with pytest.raises(ServiceUnavailable, match="database busy") as refused:
                database.answer(MultiDict())
            refusals.append((refused.value.retry_after, monotonic() - start))

    assert [retry_after for retry_after, _ in refusals] == [5, 6], "expected them not to come back together"
    assert all(CONNECTION_WAIT <= seconds < 1 for _, seconds in refusals)
    assert database.answer(MultiDict())["total"] == 418
    database.engine.dispose()


def test_a_database_that_hangs_costs_two_seconds_and_blocks_nothing_else(
    start: Start, server: PostgreSQL
) -> None:
    database = server.new_database()
    backend = start("backend", LOGIC="database", DATABASE_URL=server.url(database))
    assert backend.call("/").status == 200
    over = Event()

    def call_until_over() -> list[Reply]:
        replies = []
        while not over.is_set():
            replies.append(backend.call("/"))
        return replies

    with ThreadPoolExecutor(20) as callers, server.connect(database) as locking, locking.transaction():
        locking.execute("LOCK TABLE time_zones IN ACCESS EXCLUSIVE MODE")
        calls = [callers.submit(call_until_over) for _ in range(20)]
        eventually("all connections wait", lambda: server.execute(WAITING) == [(10,)])
        others = [backend.call(target) for _ in range(20) for target in ("/healthz", "/?limit=0")]
        over.set()
        replies = [reply for each in calls for reply in each.result()]

    busy = [reply for reply in replies if reply.answer[1]["exc"] == "database busy"]
    for quick in (others, busy):
        assert median(reply.seconds for reply in quick) < 1, "expected nobody to wait for those who wait"
    assert {reply.status for reply in replies} == {503}
    assert 0 < len(busy) < len(replies)
    assert max(reply.seconds for reply in replies) < MAX_WAIT + MARGIN
    eventually("it answers again", lambda: backend.call("/").status == 200)


def test_a_database_that_never_answers_costs_two_seconds(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+psycopg://me:secret@127.0.0.1:{silent.getsockname()[1]}/zones"
        backend = start("backend", LOGIC="database", DATABASE_URL=url)

        reply = backend.call("/")

    assert reply.answer == error(503, "database too slow", "backend")
    assert reply.seconds < MAX_WAIT + MARGIN
    assert "secret" not in backend.log
