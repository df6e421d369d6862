"""A PostgreSQL that is away, slow or busy costs its callers two seconds, and nobody else anything."""

import re
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from statistics import median
from threading import Event
from time import monotonic

import pytest
from werkzeug.exceptions import ServiceUnavailable

from backend.logic.database.limits import MAX_WAIT as CONNECTION_WAIT
from backend.logic.database.postgresql import MAX_CONNECTIONS
from backend.logic.database.postgresql import PostgreSQL as Source
from backend.logic.database.tests import postgresql
from backend.logic.database.tests.postgresql import PostgreSQL
from tests.calls import Reply, error, eventually
from tests.conftest import Start

# The longest wait for a 503 while the database is unavailable, and what busy cores add (seconds).
MAX_WAIT, MARGIN = 2.0, 3.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
UNAVAILABLE = error(503, "database unavailable", "backend")
TOO_SLOW = error(503, "database too slow: stopped after 1.7 s", "backend")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    """Run a server of this module's own, which is killed now and then."""
    with postgresql.running() as it:
        yield it


def test_it_is_ready_once_it_has_reached_the_database_and_stays_so(
    start: Start, server: PostgreSQL, served: dict[str, str]
) -> None:
    server.kill()
    try:
        backend = start("backend", LOGIC="database", **served)
        assert backend.call("/readyz").answer == UNAVAILABLE
        assert backend.call("/orders").answer == UNAVAILABLE
        assert backend.call("/healthz").status == 200
    finally:
        server.start()
    eventually("it is ready", lambda: backend.call("/readyz").status == 200)

    server.kill()
    try:
        assert backend.call("/orders").answer == UNAVAILABLE
        assert backend.call("/orders").headers["Retry-After"] == "1"
        assert backend.call("/").status == backend.call("/readyz").status == 200
    finally:
        server.start()
    eventually("it answers again", lambda: backend.call("/orders").status == 200)


def test_a_database_that_comes_back_is_used_at_once(
    start: Start, server: PostgreSQL, served: dict[str, str]
) -> None:
    backend = start("backend", LOGIC="database", **served)
    assert backend.call("/orders").status == 200

    server.kill()
    server.start()

    assert backend.call("/orders").status == 200, "expected no use of a connection that the server closed"


def test_a_database_killed_and_started_under_load_causes_only_clean_503s(
    start: Start, server: PostgreSQL, served: dict[str, str]
) -> None:
    backend = start("backend", LOGIC="database", **served)
    client = start("client", URL=f"127.0.0.1:{backend.port}")
    over = Event()

    def call_until_over() -> list[Reply]:
        replies = []
        while not over.wait(0.01):
            replies.append(client.call("/orders?sort=-weight"))
        return replies

    with ThreadPoolExecutor(8) as callers:
        calls = [callers.submit(call_until_over) for _ in range(8)]
        try:
            for _ in range(2):
                eventually("200s", lambda: client.call("/orders").status == 200)
                server.kill()
                eventually("503s", lambda: client.call("/orders").status == 503)
                server.start()
                eventually("200s again", lambda: client.call("/orders").status == 200)
        finally:
            over.set()
        replies = [reply for each in calls for reply in each.result()]

    reasons = Counter(reply.answer[1]["exc"] for reply in replies if reply.status == 503)
    assert set(reasons) <= {"database unavailable", TOO_SLOW[1]["exc"], "database busy"}
    assert max(reply.seconds for reply in replies) < MAX_WAIT + MARGIN
    assert Counter(reply.status for reply in replies).keys() == {200, 503}


def test_a_caller_beyond_the_connections_is_refused_in_time(served: dict[str, str]) -> None:
    with closing(Source(served["DATABASE_URL"])) as source, ExitStack() as connections:
        for _ in range(MAX_CONNECTIONS):
            connections.enter_context(source.transaction(seconds=60))
        refusals = []
        for _ in range(2):
            start = monotonic()
            with pytest.raises(ServiceUnavailable, match="database busy") as refused, source.transaction():
                pass
            refusals.append((refused.value.retry_after, monotonic() - start))

    assert [retry_after for retry_after, _ in refusals] == [5, 6], "expected them not to come back together"
    assert all(CONNECTION_WAIT <= seconds < MAX_WAIT + MARGIN for _, seconds in refusals)


def test_a_database_that_hangs_costs_two_seconds_and_blocks_nothing_else(
    start: Start, server: PostgreSQL, filled: str, served: dict[str, str]
) -> None:
    backend = start("backend", LOGIC="database", **served)
    assert backend.call("/orders").status == 200
    over = Event()

    def call_until_over() -> list[Reply]:
        replies = []
        while not over.is_set():
            replies.append(backend.call("/orders"))
        return replies

    with ThreadPoolExecutor(20) as callers, server.connect(filled) as locking, locking.transaction():
        locking.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        calls = [callers.submit(call_until_over) for _ in range(20)]
        eventually("all connections wait", lambda: server.execute(WAITING) == [(10,)])
        others = [backend.call(target) for _ in range(20) for target in ("/healthz", "/orders?limit=0")]
        over.set()
        replies = [reply for each in calls for reply in each.result()]

    busy = [reply for reply in replies if reply.answer[1]["exc"] == "database busy"]
    for quick in (others, busy):
        assert median(reply.seconds for reply in quick) < 1, "expected nobody to wait for those who wait"
    assert {reply.status for reply in replies} == {503}
    assert 0 < len(busy) < len(replies)
    assert max(reply.seconds for reply in replies) < MAX_WAIT + MARGIN
    eventually("it answers again", lambda: backend.call("/orders").status == 200)


def test_a_query_that_takes_too_long_is_stopped_in_the_database_too(
    start: Start, server: PostgreSQL, filled: str, served: dict[str, str]
) -> None:
    server.execute("CREATE VIEW endless AS SELECT 1 AS n FROM (SELECT pg_sleep(60)) AS slow", filled)
    server.execute(f"GRANT SELECT ON endless TO {filled}", filled)
    backend = start("backend", LOGIC="database", **served)

    reply = backend.call("/endless")

    assert re.match("database too slow: stopped after", reply.answer[1]["exc"])
    assert reply.seconds < MAX_WAIT + MARGIN
    running = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ~ 'FROM .*endless'"
    eventually("nothing runs there", lambda: len(server.execute(running)) <= 1)


def test_a_database_that_never_answers_costs_two_seconds(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me:secret@127.0.0.1:{silent.getsockname()[1]}/zones"
        backend = start("backend", LOGIC="database", DATABASE_URL=url, DATABASE_TABLES="public.*")

        reply = backend.call("/")

    assert reply.answer == TOO_SLOW
    assert reply.seconds < MAX_WAIT + MARGIN
    assert "secret" not in backend.log
