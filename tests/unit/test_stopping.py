"""How long a stop may take, and how soon a process knows that it drains."""

from pathlib import Path

import pytest

from common import drain
from common.serving.stopping import grace_period, requests_timeout
from common.settings import ServiceSettings


@pytest.mark.parametrize(("answer", "stream"), [("30", "120"), ("120", "30")])
def test_a_stop_waits_for_the_slowest_answer_and_the_longest_stream(answer: str, stream: str) -> None:
    settings = ServiceSettings.from_environ({"ANSWER_TIMEOUT": answer, "STREAM_TIMEOUT": stream})

    assert requests_timeout(settings) == 3 + 120 + 2
    assert grace_period(settings) > 65 + requests_timeout(settings)


def test_the_draining_flag_is_seen_within_a_tenth_of_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 7.0
    monkeypatch.setattr(drain, "FLAG", tmp_path / "draining")
    monkeypatch.setattr(drain, "monotonic", lambda: now)
    drain.flag_exists.cache_clear()
    assert not drain.draining()

    drain.FLAG.touch()
    now += 0.11

    assert drain.draining()
    drain.flag_exists.cache_clear()
