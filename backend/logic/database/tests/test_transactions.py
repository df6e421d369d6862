"""A transaction for a logic of one's own: all of it or nothing, whatever happens in between."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from http.client import HTTPException
from itertools import count
from pathlib import Path
from random import Random
from textwrap import dedent
from typing import Any

import gevent
import pytest
from sqlalchemy import Connection, text
from werkzeug.exceptions import ServiceUnavailable

from backend.logic.database.postgresql import MAX_ATTEMPTS, PostgreSQL, retried
from backend.logic.database.tests.postgresql import PostgreSQL as Server
from tests.calls import JSON, connect, eventually, receive, request
from tests.conftest import Start
from tests.processes import Service

TABLES = """
    CREATE TABLE accounts (name text PRIMARY KEY, amount int NOT NULL);
    CREATE TABLE transfers (id int PRIMARY KEY, amount int NOT NULL);
    INSERT INTO accounts VALUES ('one', 0), ('other', 0);
"""
# Whether both accounts and the list of transfers tell the same story.
HALF_WRITES = """
    SELECT (SELECT sum(amount) FROM accounts),
    (SELECT amount FROM accounts WHERE name = 'other') - (SELECT coalesce(sum(amount), 0) FROM transfers)
"""
LOGIC = '''
    """Move money from one account to the other: a POST is a transaction."""

    from time import sleep

    from flask import Blueprint, request
    from sqlalchemy import text

    from backend.logic import Logic
    from backend.logic.database.postgresql import PostgreSQL, retried


    def make(settings):
        database, routes = PostgreSQL(settings.database_url), Blueprint("money", __name__)

        @routes.post("/")
        def transfer():
            given = request.get_json()

            def move():
                with database.transaction(write=True) as connection:
                    connection.execute(text("INSERT INTO transfers VALUES (:id, :amount)"), given)
                    add = text("UPDATE accounts SET amount = amount + :amount WHERE name = :name")
                    connection.execute(add, {"amount": -given["amount"], "name": "one"})
                    sleep(given.get("sleep", 0))
                    if given.get("fail"):
                        raise KeyError("injected")
                    connection.execute(add, {"amount": given["amount"], "name": "other"})

            retried(move)
            return {"id": given["id"]}, 201

        return Logic(routes, close=database.engine.dispose)
'''
SETTINGS = '''
    """The settings of `money`."""

    from backend.logic.database.settings import database_url
    from backend import settings
    from common.settings import setting
    from dataclasses import dataclass


    @dataclass(frozen=True, kw_only=True)
    class Settings(settings.Settings):
        database_url: str = setting(database_url, "The database.", mask=len)
'''


@pytest.fixture
def accounts(server: Server) -> str:
    """Return the name of a database with two accounts, whose owner is of that name."""
    name = server.new_database()
    server.execute(f"SET ROLE {name}; {TABLES}", name)
    return name


@pytest.fixture
def database(server: Server, accounts: str) -> Iterator[PostgreSQL]:
    found = PostgreSQL(server.url(accounts))
    with closing(found):
        yield found


def add(connection: Connection, name: str = "one") -> None:
    connection.execute(text("UPDATE accounts SET amount = amount + 1 WHERE name = :name"), {"name": name})


def amount(server: Server, accounts: str) -> Any:
    return server.execute("SELECT amount FROM accounts WHERE name = 'one'", accounts)[0][0]


def test_what_a_transaction_did_is_there_after_it(
    server: Server, accounts: str, database: PostgreSQL
) -> None:
    with database.transaction(write=True) as connection:
        add(connection)

    assert amount(server, accounts) == 1


@pytest.mark.parametrize("failure", [KeyError, SystemExit, gevent.GreenletExit, gevent.Timeout])
def test_what_a_transaction_did_is_gone_after_an_exception(
    server: Server, accounts: str, database: PostgreSQL, failure: type[BaseException]
) -> None:
    def fail() -> None:
        with database.transaction(write=True) as connection:
            add(connection)
            raise failure

    with pytest.raises((failure, ServiceUnavailable)):
        fail()

    assert amount(server, accounts) == 0
    with database.transaction(write=True, seconds=10) as connection:  # no lock is left
        add(connection)


def test_a_transaction_ends_at_its_limit_also_in_the_database(
    server: Server, accounts: str, database: PostgreSQL
) -> None:
    def sleep() -> None:
        with database.transaction(write=True, seconds=0.5) as connection:
            add(connection)
            connection.execute(text("SELECT pg_sleep(60)"))

    with pytest.raises(ServiceUnavailable, match="database too slow: stopped after 0.5 s"):  # noqa: RUF043  a sentence
        sleep()

    assert amount(server, accounts) == 0
    running = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'"
    eventually("nothing runs there", lambda: server.execute(running) == [])


def test_a_transaction_only_reads_unless_asked(database: PostgreSQL) -> None:
    with pytest.raises(ServiceUnavailable) as refused, database.transaction() as connection:
        add(connection)

    assert "read-only transaction" in str(refused.value.__cause__)


def test_transactions_in_each_others_way_are_tried_again(
    server: Server, accounts: str, database: PostgreSQL
) -> None:
    tries = count()

    def move() -> str:
        with database.transaction(write=True) as connection:
            connection.execute(text("SELECT sum(amount) FROM accounts"))
            if next(tries) == 0:
                server.execute("UPDATE accounts SET amount = amount + 10 WHERE name = 'one'", accounts)
            add(connection)
        return "moved"

    assert retried(move) == "moved"
    assert amount(server, accounts) == 11
    assert next(tries) == 2


def test_tries_are_bounded(server: Server, accounts: str, database: PostgreSQL) -> None:
    tries = count()

    def move() -> None:
        with database.transaction(write=True) as connection:
            connection.execute(text("SELECT sum(amount) FROM accounts"))
            server.execute("UPDATE accounts SET amount = amount + 10 WHERE name = 'one'", accounts)
            next(tries)
            add(connection)

    with pytest.raises(ServiceUnavailable, match="in the way of others") as refused:
        retried(move)
    assert refused.value.retry_after == 1
    assert next(tries) == MAX_ATTEMPTS


def test_other_errors_are_not_tried_again(database: PostgreSQL) -> None:
    tries = count()

    def move() -> None:
        next(tries)
        with database.transaction() as connection:
            add(connection)

    with pytest.raises(ServiceUnavailable):
        retried(move)
    assert next(tries) == 1


# A logic of one's own


@pytest.fixture
def money(start: Start, server: Server, accounts: str, tmp_path: Path) -> Service:
    package = tmp_path / "bank"
    package.mkdir()
    for name, code in (("__init__", ""), ("money", LOGIC), ("settings", SETTINGS)):
        (package / f"{name}.py").write_text(dedent(code))
    url = server.url(accounts)
    return start("backend", LOGIC="bank.money:make", PYTHONPATH=str(tmp_path), DATABASE_URL=url)


def post(fields: str) -> bytes:
    return request("/", "POST", JSON, body=f"{{{fields}}}".encode())


def test_a_post_is_a_transaction(money: Service, server: Server, accounts: str) -> None:
    reply = money.call("/", "POST", JSON, body=b'{"id": 1, "amount": 5}')

    assert reply.answer == (201, {"status_code": 201, "message": "Created", "source": "backend", "id": 1})
    assert server.execute(HALF_WRITES, accounts) == [(0, 0)]
    assert server.execute("SELECT count(*) FROM transfers", accounts) == [(1,)]


@pytest.mark.parametrize(
    "number", [20, pytest.param(1000, marks=[pytest.mark.full, pytest.mark.timeout(900)])]
)
def test_failures_leave_no_half_writes(money: Service, server: Server, accounts: str, number: int) -> None:
    random = Random(3)

    def fail(n: int) -> None:
        if n % 2:
            body = f'{{"id": {n}, "amount": 1, "fail": true}}'.encode()
            assert money.call("/", "POST", JSON, body=body).status in (500, 503)
        else:  # hang up, before or while it runs
            with connect(
                money.port, post(f'"id": {n}, "amount": 1, "sleep": {random.choice([0, 0.01, 0.4])}')
            ):
                threading.Event().wait(random.choice([0, 0.005, 0.05]))

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(fail, range(number)))

    eventually(
        "all have ended", lambda: money.call("/", "POST", JSON, body=b'{"id": -1, "amount": 1}').status == 201
    )
    assert server.execute(HALF_WRITES, accounts) == [(0, 0)]


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_100_killed_workers_leave_no_half_writes(money: Service, server: Server, accounts: str) -> None:
    for n in range(100):
        sent = [post(f'"id": {n * 10 + m}, "amount": 1, "sleep": 0.1') for m in range(3)]
        connections = [connect(money.port, each) for each in sent]
        threading.Event().wait(Random(n).uniform(0, 0.15))
        before = len(money.workers())
        os.kill(money.workers()[-1], signal.SIGKILL)
        for each in connections:
            with suppress(OSError, HTTPException):
                receive(each)
            each.close()
        eventually("a worker is back", partial(is_back, money, before))

    assert server.execute(HALF_WRITES, accounts) == [(0, 0)]


@pytest.mark.full
def test_10_killed_servers_leave_no_half_writes(money: Service, server: Server, accounts: str) -> None:
    for n in range(10):
        sent = [post(f'"id": {n * 10 + m}, "amount": 1, "sleep": 0.1') for m in range(8)]
        with ExitStack() as stack:
            connections = [stack.enter_context(connect(money.port, each)) for each in sent]
            threading.Event().wait(Random(n).uniform(0, 0.3))
            server.kill()
            assert {receive(each).status for each in connections} <= {201, 500, 503}
        server.start()

    assert server.execute(HALF_WRITES, accounts) == [(0, 0)]


def is_back(service: Service, workers: int) -> bool:
    return len(service.workers()) > workers and service.answers()
