"""How long a stop may take."""

import pytest

from common.serving.stopping import grace_period, requests_timeout
from common.settings import ServiceSettings


@pytest.mark.parametrize(("answer", "stream"), [("30", "120"), ("120", "30")])
def test_a_stop_waits_for_the_slowest_answer_and_the_longest_stream(answer: str, stream: str) -> None:
    settings = ServiceSettings.from_environ({"ANSWER_TIMEOUT": answer, "STREAM_TIMEOUT": stream})

    assert requests_timeout(settings) == 3 + 120 + 2
    assert grace_period(settings) > 65 + requests_timeout(settings)
