"""Calls that end in every way there is leave nothing behind: no bytes held, no connection, no greenlet."""

import gc
import gzip
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import gevent
import pytest
from werkzeug.exceptions import HTTPException

from client import transport
from client.settings import Settings
from client.upstream import Upstream
from common.budget import BUFFERED
from tests.calls import PATIENCE
from tests.contract.test_breaks import resets
from tests.contract.test_endless_answers import ENDLESS, sends_without_end
from tests.contract.test_odd_backends import BROKEN, WHOLE
from tests.scripted_backend import (
    HELLO,
    Behaviour,
    ScriptedBackend,
    answer,
    hangs_after,
    sends,
    sends_and_stays,
)

LARGE = b'{"x":"' + os.urandom(400_000).hex().encode() + b'"}'
ANSWERS = [*WHOLE.values(), *BROKEN.values(), answer(200, LARGE)]
PARTS = [HELLO[:0], HELLO[:40], HELLO[:-10], answer(200, LARGE)[:-10]]
PARTS.append(answer(200, gzip.compress(LARGE), "Content-Encoding: gzip")[:-10])
BEHAVIOURS: list[Behaviour] = [
    *(sends_and_stays(each) for each in ANSWERS),
    *(sends_without_end(*each) for each in ENDLESS.values()),
    *(behave(each) for behave in (sends, resets, hangs_after) for each in PARTS),
]


def open_sockets() -> int:
    """How many sockets this process has, which is both sides of every connection."""
    number = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            number += str(each.readlink()).startswith("socket:")
    return number


def greenlets() -> int:
    return sum(isinstance(each, gevent.Greenlet) and not each.dead for each in gc.get_objects())


def eventually(what: str, condition: Callable[[], bool]) -> None:
    """Wait while greenlets run."""
    with gevent.Timeout(PATIENCE, AssertionError(f"expected: {what}")):
        while not condition():
            gevent.sleep(0.02)


@pytest.mark.parametrize("end", ["by itself", "without room in the budget", "killed"])
def test_calls_leave_nothing_behind(
    upstream: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(BUFFERED, "held", 0)
    monkeypatch.setattr(BUFFERED, "limit", 200_000 if end == "without room in the budget" else 33_554_432)
    monkeypatch.setattr(transport, "SWEEP_INTERVAL", 0.02)
    client = Upstream(Settings.from_environ({"URL": f"127.0.0.1:{upstream.port}"}))
    monkeypatch.setattr(client, "answer_timeout", 0.2)
    queries = [upstream.will(each).removeprefix("/?").encode() for each in BEHAVIOURS]
    sockets_before, greenlets_before = open_sockets(), greenlets()

    def call(query: bytes) -> None:
        with suppress(HTTPException):
            client.call("GET", "/", query)

    calls = [gevent.spawn(call, query) for query in queries]
    if end == "killed":
        for each, number in zip(calls, count()):
            gevent.spawn_later(0.002 * number, each.kill, block=False)

    assert len(gevent.joinall(calls, timeout=PATIENCE, raise_error=True)) == len(calls)
    assert BUFFERED.held == 0
    client.adapter.close()
    eventually("no connection is left", lambda: open_sockets() <= sockets_before)
    eventually("no greenlet is left", lambda: greenlets() <= greenlets_before)
