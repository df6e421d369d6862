"""The settings of the logic `llm`."""

import pytest

from backend.logic.llm.settings import Settings as LlmSettings
from backend.settings import Settings
from common.settings import SettingsError

LLM = {"LOGIC": "llm", "LLM_BASE_URL": "https://models.example/v1/", "LLM_MODEL": "large"}


def test_the_logic_adds_its_settings() -> None:
    assert isinstance(Settings.from_environ(LLM), LlmSettings)


def test_missing_and_invalid_settings_are_reported_together() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environ({"LOGIC": "llm", "PORT": "x", "LLM_API_KEY": "sk secret"})

    assert str(refused.value).splitlines() == [
        "PORT='x' is not allowed: expected a whole number from 1 to 65535",
        "LLM_BASE_URL is missing: expected http://host[:port][/path] or https://host[:port][/path]",
        "LLM_MODEL is missing: expected 1 to 1000 ASCII characters without blanks",
        "LLM_API_KEY='***' is not allowed: expected 1 to 1000 ASCII characters without blanks",
    ]


@pytest.mark.parametrize(
    "url", ["", "models.example", "ftp://models.example", "http://me:hunter2@models.example"]
)
def test_an_invalid_endpoint_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"LLM_BASE_URL=.* is not allowed: expected http://") as refused:
        Settings.from_environ(LLM | {"LLM_BASE_URL": url})

    assert "hunter2" not in str(refused.value)


def test_the_start_up_line_shows_no_secret() -> None:
    line = str(
        Settings.from_environ(LLM | {"LLM_API_KEY": "https://hunter4", "LLM_SYSTEM_PROMPT": "hunter5"})
    )

    assert "LLM_BASE_URL=https://models.example/*** " in line
    assert "LLM_API_KEY=***" in line
    assert "hunter" not in line


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("LLM_TOKENS_FIELD", "num_predict", "max_completion_tokens or max_tokens"),
        ("LLM_SYSTEM_PROMPT", "a" * 10_001, "at most 10000 characters"),
        ("LLM_MAX_CALLS", "0", "a whole number from 1 to 100000"),
        ("LLM_LOG_PROMPTS", "yes", "true or false"),
    ],
)
def test_an_invalid_setting_is_refused_with_what_is_allowed(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name}=.* is not allowed: expected {expected}$"):
        Settings.from_environ(LLM | {name: value})
