"""LOGIC=llm with a real OpenAI-compatible server: LiteLLM's proxy with mock answers."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.calls import call, error, eventually
from tests.conftest import Start
from tests.event_streams import reading
from tests.processes import HOST, ROOT, free_port

PROGRAM = ROOT / ".venv" / "llm-server" / "bin" / "litellm"
KEY = "sk-hunter2"
MODELS: dict[str, dict[str, Any]] = {
    "quick": {"mock_response": "a made-up answer"},
    "slow": {"mock_response": "at last", "mock_delay": 5},
    "busy": {"mock_response": "litellm.RateLimitError"},
    "broken": {"mock_response": "litellm.InternalServerError"},
}
CONFIG = {
    "model_list": [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", **answer}}
        for name, answer in MODELS.items()
    ],
    "general_settings": {"master_key": KEY},
}


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    """The backend's settings for a running server."""
    if not PROGRAM.exists():
        pytest.skip("no OpenAI-compatible server installed: make .venv/llm-server")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config, log = Path(folder) / "config.yaml", Path(folder) / "log"
        config.write_text(json.dumps(CONFIG))  # JSON is YAML
        with log.open("wb") as output:
            process = subprocess.Popen(
                [PROGRAM, "--config", config, "--host", HOST, "--port", str(port), "--telemetry", "False"],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": folder, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
                stdout=output,
                stderr=output,
            )

        def alive() -> bool:
            with suppress(ConnectionError):
                return call(port, "/health/liveliness").status == 200
            return process.poll() is not None

        try:
            eventually("the server answers", alive, within=100)
            assert process.poll() is None, log.read_text()
            yield {"LOGIC": "llm", "LLM_BASE_URL": f"http://{HOST}:{port}/v1", "LLM_API_KEY": KEY}
        finally:
            print(log.read_text()[-5000:])
            process.terminate()
            process.wait(20)


def test_a_real_servers_answer_arrives_through_the_client(start: Start, server: dict[str, str]) -> None:
    backend = start("backend", **server, LLM_MODEL="quick")
    client = start("client", URL=f"{HOST}:{backend.port}")

    assert client.call("/?prompt=hello").answer == (
        200,
        {
            "status_code": 200,
            "message": "a made-up answer",
            "source": "client",
            "model": "quick",
            "finish_reason": "stop",
            "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
        },
    )


def test_a_real_servers_stream_arrives_through_the_client(start: Start, server: dict[str, str]) -> None:
    backend = start("backend", **server, LLM_MODEL="quick")
    client = start("client", URL=f"{HOST}:{backend.port}")

    with reading(client.port, "/?prompt=hello") as (_, events):
        *pieces, (name, fields) = events

    assert name == "end"
    assert "".join(each["delta"] for _, each in pieces) == fields["message"] == "a made-up answer"
    assert (fields["model"], fields["finish_reason"]) == ("quick", "stop")
    assert fields["usage"]["total_tokens"] > 0


@pytest.mark.parametrize(
    ("settings", "status", "exc"),
    [
        ({"LLM_MODEL": "busy"}, 429, "the model's endpoint takes no more requests now"),
        ({"LLM_MODEL": "broken"}, 502, "the model's endpoint answered 500"),
        ({"LLM_MODEL": "unknown"}, 502, "the model's endpoint answered 400"),
        # LiteLLM answers 400 where others answer 401.
        ({"LLM_MODEL": "quick", "LLM_API_KEY": "sk-hunter3"}, 502, "the model's endpoint answered 400"),
        ({"LLM_MODEL": "slow", "ANSWER_TIMEOUT": "2"}, 504, "the model did not answer within 1.9 s"),
    ],
)
def test_a_real_servers_errors_are_clear(
    start: Start, server: dict[str, str], settings: dict[str, str], status: int, exc: str
) -> None:
    backend = start("backend", **server | settings)

    assert backend.call("/?prompt=hello").answer == error(status, exc, "backend")
    assert "hunter" not in backend.log


@pytest.mark.full  # a scripted endpoint shows it in test_answers.py, too
def test_200_slow_answers_of_a_real_server_leave_health_alone(start: Start, server: dict[str, str]) -> None:
    backend = start("backend", **server, LLM_MODEL="slow")

    with ThreadPoolExecutor(200) as callers:
        slow = [callers.submit(backend.call, "/?prompt=hello") for _ in range(200)]
        health = []
        while not all(each.done() for each in slow):
            health.append(backend.call("/healthz").seconds)
        replies = [each.result() for each in slow]

    assert len(health) > 20
    # Sending 200 requests costs CPU; waiting for their answers must not.
    assert sum(seconds > 0.5 for seconds in health) <= 2, sorted(health)
    assert [reply.status for reply in replies] == [200] * 200
