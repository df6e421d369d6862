"""A trace shows the query that an answer waited for, and nothing that a caller wrote into it."""

import pytest

from tests.conftest import Start

collecting = pytest.importorskip("tests.collector", reason="tracing was left out").collecting


def test_a_query_is_a_span_below_its_request(start: Start) -> None:
    with collecting() as collector:
        backend = start("backend", LOGIC="database", **collector.settings)

        assert backend.call("/time_zones?name=Europe%2FParis").status == 200

        request, query = collector.await_spans(2)
        assert (query.kind, query.name, query.parent_id) == ("CLIENT", "SELECT time_zones", request.id)
        assert request.began <= query.began <= query.ended <= request.ended
        assert query.attributes == {
            "db.system.name": "duckdb",
            "db.operation.name": "SELECT",
            "db.collection.name": "time_zones",
        }
        assert b"Paris" not in b"".join(collector.bodies)
