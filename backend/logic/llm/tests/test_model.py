"""`make run LOGIC=llm` without an endpoint: the whole path on the model to try things out with."""

import json
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tests.calls import JSON, Reply, call, error, eventually
from tests.event_streams import reading
from tests.pairs import Pair, running
from tests.processes import ROOT

# As JSON schema, so small that also a model that knows little fills it within a few tokens.
SCHEMA = {
    "type": "object",
    "properties": {"is_blue": {"type": "boolean"}},
    "required": ["is_blue"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A copy of the code that may be edited, as `make run` serves it."""
    if not find_spec("xllamacpp"):
        pytest.skip("no model installed to try things out with: make servers")
    code = tmp_path_factory.mktemp("code")
    for package in ("backend", "client", "common"):
        shutil.copytree(ROOT / package, code / package, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    shutil.copy(ROOT / "run.py", code)
    with running(code, tmp_path_factory.mktemp("pair") / "run", LOGIC="llm", LLM_MAX_TOKENS="40") as it:
        (code / "common" / "drain.py").touch()
        eventually("both reload an edit", lambda: it.log.count("Handling signal: hup") == 2)
        yield it
        it.process.terminate()
        assert it.ends() == 0


def ask(pair: Pair, **fields: object) -> Reply:
    return call(pair.port("client"), "/", "POST", JSON, body=json.dumps(fields).encode())


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_a_prompt_is_answered_with_model_and_usage(pair: Pair) -> None:
    status, fields = call(pair.port("client"), "/?prompt=Say%20hello.").answer

    assert (status, fields["source"], fields["model"]) == (200, "client", "smollm2")
    assert fields["message"]
    assert fields["usage"]["total_tokens"] > fields["usage"]["completion_tokens"] > 0


def test_the_limit_on_tokens_is_kept(pair: Pair) -> None:
    _, fields = ask(pair, messages=user("Tell me a long story."), max_tokens=5).answer

    assert fields["finish_reason"] == "length"
    assert fields["usage"]["completion_tokens"] == 5


def test_a_json_schema_gives_json_of_that_schema(pair: Pair) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "sky", "strict": True, "schema": SCHEMA}}

    _, fields = ask(pair, messages=user("Is the sky blue?"), response_format=schema, max_tokens=40).answer

    answer: dict[str, Any] = json.loads(fields["message"])
    assert answer.keys() == {"is_blue"}
    assert isinstance(answer["is_blue"], bool)


def test_a_stream_has_the_text_piece_by_piece_and_then_whole(pair: Pair) -> None:
    with reading(pair.port("client"), "/?prompt=Say%20hello.") as (_, events):
        *pieces, (name, fields) = events

    assert name == "end"
    assert len(pieces) > 1
    assert "".join(fields["delta"] for _, fields in pieces) == fields["message"]
    assert fields["usage"]["completion_tokens"] >= len(pieces)


def test_a_conversation_that_is_too_long_is_a_400(pair: Pair) -> None:
    assert ask(pair, messages=user("word " * 9000)).answer == error(
        400, "the conversation and max_tokens are longer than the model's context"
    )
