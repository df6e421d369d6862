"""A Blueprint's routes through the client: what it returns arrives, and what the caller asked for."""

from collections.abc import Iterator

import pytest

from tests.calls import JSON, error
from tests.processes import Service, running


@pytest.fixture(scope="module")
def shop() -> Iterator[Service]:
    """A client of a backend with routes."""
    with (
        running("backend", LOGIC="tests.shop:shop") as backend,
        running("client", URL=f"127.0.0.1:{backend.port}") as client,
    ):
        yield client


@pytest.mark.parametrize("query", ["", "?absolute"])
def test_a_created_thing_has_its_place_on_the_client(shop: Service, query: str) -> None:
    reply = shop.call(f"/orders{query}", "POST", JSON, body=b'{"item": 1}')

    created = {"status_code": 201, "message": "ordered", "source": "client", "order": {"item": 1}}
    assert reply.answer == (201, created)
    assert reply.headers["Location"] == "/orders/7"


def test_what_the_caller_has_already_is_not_sent_again(shop: Service) -> None:
    first = shop.call("/orders/7")
    again = shop.call("/orders/7", "GET", f"If-None-Match: {first.headers['ETag']}")
    other = shop.call("/orders/7", "GET", 'If-None-Match: "v0"')

    assert (first.status, first.headers["ETag"]) == (200, '"v1"')
    assert (again.status, again.headers["ETag"], again.body) == (304, '"v1"', b"")
    assert other.answer == first.answer


def test_what_has_changed_meanwhile_is_not_overwritten(shop: Service) -> None:
    kept = shop.call("/orders/7", "PUT", JSON, 'If-Match: "v1"', body=b"{}")
    lost = shop.call("/orders/7", "PUT", JSON, 'If-Match: "v0"', body=b"{}")

    assert kept.status == 200
    assert lost.answer == error(412, "changed since it was read")


def test_an_answer_without_content_arrives_as_one(shop: Service) -> None:
    deleted, head = shop.call("/orders/a%2Fb", "DELETE"), shop.call("/orders/7", "HEAD")

    assert (deleted.status, deleted.body) == (204, b"")
    assert (head.status, head.headers["ETag"], head.body) == (200, '"v1"', b"")
