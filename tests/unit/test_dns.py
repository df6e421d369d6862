"""The DNS cache: stale while it revalidates, one query for many lookups."""

from socket import gaierror
from typing import Any

import gevent
import pytest
from gevent.event import Event

from common import dns
from common.dns import TTL, DnsCache
from tests.calls import PATIENCE


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test sets."""
    now = [1000.0]
    monkeypatch.setattr(dns, "monotonic", lambda: now[0])
    return now


class FakeResolver:
    """The system's resolver, which answers as the test says and counts its queries."""

    def __init__(self) -> None:
        self.queries = 0
        self.answer: list[Any] | OSError = ["first"]
        self.may_answer = Event()
        self.may_answer.set()

    def __call__(self, *_: object, **__: object) -> list[Any]:
        self.queries += 1
        self.may_answer.wait(PATIENCE)
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> FakeResolver:
    fake = FakeResolver()
    monkeypatch.setattr(dns, "getaddrinfo", fake)
    return fake


def lookup(cache: DnsCache) -> list[Any]:
    return cache.addresses("backend", 8080)


def test_an_answer_is_used_again_within_its_ttl(clock: list[float], resolver: FakeResolver) -> None:
    cache = DnsCache()
    assert lookup(cache) == ["first"]

    clock[0] += TTL

    assert lookup(cache) == ["first"]
    assert resolver.queries == 1


def test_a_stale_answer_is_served_while_it_is_refreshed(clock: list[float], resolver: FakeResolver) -> None:
    cache = DnsCache()
    lookup(cache)
    clock[0] += TTL + 0.1
    resolver.answer = ["second"]
    resolver.may_answer.clear()

    with gevent.Timeout(PATIENCE):
        assert lookup(cache) == ["first"]
        resolver.may_answer.set()
        while lookup(cache) != ["second"]:
            gevent.sleep(0.01)
    assert resolver.queries == 2


def test_concurrent_lookups_share_a_query(clock: list[float], resolver: FakeResolver) -> None:
    assert clock
    cache = DnsCache()
    resolver.may_answer.clear()
    lookups = [gevent.spawn(lookup, cache) for _ in range(100)]
    gevent.sleep(0)
    resolver.may_answer.set()

    gevent.joinall(lookups, timeout=PATIENCE, raise_error=True)

    assert [each.value for each in lookups] == [["first"]] * 100
    assert resolver.queries == 1


def test_the_last_good_answer_outlives_a_failing_resolver(clock: list[float], resolver: FakeResolver) -> None:
    cache = DnsCache()
    lookup(cache)
    clock[0] += TTL + 0.1
    resolver.answer = gaierror("no answer")

    for _ in range(3):
        assert lookup(cache) == ["first"]
        gevent.sleep(0)
    assert resolver.queries == 2, "a failing resolver should not be asked more often than its answers last"


def test_a_name_that_never_resolved_is_an_error_and_is_asked_for_again(
    clock: list[float], resolver: FakeResolver
) -> None:
    assert clock
    cache = DnsCache()
    resolver.answer = gaierror("no such name")
    with pytest.raises(OSError, match="no such name"):
        lookup(cache)

    resolver.answer = ["found"]

    assert lookup(cache) == ["found"]
