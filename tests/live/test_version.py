"""What runs here."""

import platform
from datetime import UTC, datetime

import pytest

from tests.conftest import Start

COMMIT = "ee664c5" + 33 * "0"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("backend", {"logic": "hello"}),
        pytest.param("client", {}, marks=pytest.mark.full),
    ],  # the code is the same
)
def test_version_says_what_runs_and_since_when(start: Start, name: str, more: dict[str, str]) -> None:
    before = datetime.now(UTC)
    service = start(name, GIT_COMMIT=COMMIT)

    status, answer = service.call("/version").answer

    started = datetime.fromisoformat(answer.pop("started"))
    assert before < started < datetime.now(UTC)
    assert (status, answer) == (
        200,
        {
            "status_code": 200,
            "message": f"{name} {answer['version']}",
            "source": name,
            "version": answer["version"],
            "commit": COMMIT,
            "python": platform.python_version(),
        }
        | more,
    )
