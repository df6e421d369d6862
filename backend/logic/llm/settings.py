"""The settings of `llm`."""

import re
from dataclasses import dataclass

from backend import settings
from common.settings import flag, hidden, http_url, number, setting
from common.urls import masked_url

MAX_SYSTEM_PROMPT = 10_000  # characters
TOKENS_FIELDS = ("max_completion_tokens", "max_tokens")


def plain_text(text: str) -> str:
    """Parse text that is sent in a request header or body."""
    if not re.fullmatch(r"[!-~]{1,1000}", text):
        raise ValueError("1 to 1000 ASCII characters without blanks")
    return text


def system_prompt(text: str) -> str:
    """Parse LLM_SYSTEM_PROMPT."""
    if len(text) > MAX_SYSTEM_PROMPT:
        raise ValueError(f"at most {MAX_SYSTEM_PROMPT} characters")
    return text.strip()


def tokens_field(text: str) -> str:
    """Parse LLM_TOKENS_FIELD."""
    if text not in TOKENS_FIELDS:
        raise ValueError(" or ".join(TOKENS_FIELDS))
    return text


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    """The backend's settings and those of `llm`."""

    llm_base_url: str = setting(
        http_url,
        "An OpenAI-compatible endpoint, such as `https://api.openai.com/v1`.",
        mask=masked_url,
    )
    llm_model: str = setting(plain_text, "The model's name there.")
    llm_api_key: str = setting(
        plain_text, "The key for it, if it wants one.", default="", shown_default="none", mask=hidden
    )
    llm_system_prompt: str = setting(
        system_prompt,
        "What the model is told before each conversation; callers then send no `system` messages.",
        default="",
        shown_default="none",
        mask=hidden,
    )
    llm_max_tokens: int = setting(
        number(1, 100_000), "Longest answer of the model, in tokens; callers may ask for less.", default=1000
    )
    llm_tokens_field: str = setting(
        tokens_field,
        "What the endpoint calls that limit: `max_completion_tokens`, or `max_tokens` (Ollama).",
        default="max_completion_tokens",
    )
    llm_max_calls: int = setting(
        number(1, 100_000),
        "Calls that a process has at the endpoint at once; any more get a 503 with `Retry-After`.",
        default=250,
    )
    llm_log_prompts: bool = setting(
        flag, "Log conversations and answers: `true` or `false`.", default=False, shown_default="false"
    )
