"""A trace shows the call of the model that an answer waited for, and nothing of the conversation."""

import pytest

from backend.logic.llm.tests.scripted_endpoint import Endpoint, completion
from tests.conftest import Start
from tests.scripted_backend import as_json

collecting = pytest.importorskip("tests.collector", reason="tracing was left out").collecting


def test_the_call_of_the_model_is_a_span_below_its_request(start: Start, endpoint: Endpoint) -> None:
    with collecting() as collector:
        backend = start("backend", **endpoint.settings, **collector.settings)
        for status, data in ((200, completion("four")), (500, as_json(500, {}))):
            collector.bodies.clear()
            endpoint.will_send(data)

            backend.call("/?prompt=swordfish")

            request, call = collector.await_spans(2)
            assert (call.kind, call.name, call.parent_id) == ("CLIENT", "POST", request.id)
            assert request.began <= call.began <= call.ended <= request.ended
            assert call.attributes["http.response.status_code"] == status
            assert call.attributes["url.full"].endswith("/***/chat/completions")
            assert (call.is_error, request.is_error) == (status == 500, status == 500)
            sent = b"".join(collector.bodies)
            assert b"swordfish" not in sent
            assert b"four" not in sent
