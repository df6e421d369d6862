"""The backend's settings. LOGIC chooses the logic, and with it which others there are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self
from urllib.parse import urlsplit

from common.settings import ServiceSettings, number, setting
from common.urls import base_url


def logic(text: str) -> str:
    """A parser for LOGIC. It imports nothing: that is for the worker, once gevent has patched Python."""
    if text in LOGICS:
        if installed(text):
            return text
    elif re.fullmatch(r"\w+(\.\w+)*:\w+", text) and find_spec(text.partition(":")[0].partition(".")[0]):
        return text
    raise ValueError(allowed_logics())


def installed(name: str) -> bool:
    """Whether the packages that a built-in logic needs are there."""
    return all(find_spec(package) for package in NEEDS.get(name, ()))


def allowed_logics() -> str:
    """The logics that there are, in words."""
    there = [name for name in LOGICS if installed(name)]
    missing = [f"{name} needs requirements/backend-{name}.txt" for name in LOGICS if name not in there]
    return "; ".join([f"{', '.join(there)} or an importable package.module:function", *missing])


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """Which logic; a logic with settings of its own adds them in a subclass."""

    logic: str = setting(
        logic,
        "What answers: `hello`, `database`, `llm`, or a function of yours as `package.module:function`.",
        default="hello",
    )

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings that the chosen logic has; see ServiceSettings.load."""
        chosen = LOGICS.get(environ.get("LOGIC", ""), Settings)
        return super(Settings, chosen).load(environ)  # type: ignore[return-value]  # the chosen subclass


def database_url(text: str) -> str:
    """A parser for DATABASE_URL."""
    allowed = ValueError("postgresql+psycopg://user:password@host[:port]/database[?option=value]")
    try:
        parts = urlsplit(text)
        fits = parts.port != 0 and parts.hostname and len(parts.path) > 1
    except ValueError:
        raise allowed from None
    if parts.scheme != "postgresql+psycopg" or not fits:
        raise allowed
    return text


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings(Settings):
    """For `database`."""

    database_url: str = setting(
        database_url,
        "`database`: a PostgreSQL, `postgresql+psycopg://user:password@host[:port]/database`. "
        "Percent-encode what is special in a URL.",
        default="",
        shown_default="SQLite in memory",
    )


def endpoint(text: str) -> str:
    """A parser for LLM_BASE_URL."""
    try:
        return base_url(text).geturl()
    except ValueError:
        raise ValueError("http://host[:port][/path] or https://host[:port][/path]") from None


def words(text: str) -> str:
    """A parser for text that is sent in a request."""
    if not re.fullmatch(r"[!-~]{1,1000}", text):
        raise ValueError("1 to 1000 ASCII characters without blanks")
    return text


@dataclass(frozen=True, kw_only=True)
class LlmSettings(Settings):
    """For `llm`."""

    llm_base_url: str = setting(
        endpoint, "`llm`: an OpenAI-compatible endpoint, such as `https://api.openai.com/v1`."
    )
    llm_model: str = setting(words, "`llm`: the model's name there.")
    llm_api_key: str = setting(
        words, "`llm`: the key for it, if it wants one.", default="", shown_default="none", secret=True
    )
    llm_max_tokens: int = setting(
        number(1, 100_000), "`llm`: longest answer of the model, in tokens.", default=1000
    )


# What requirements/backend-*.txt bring.
NEEDS = {"database": ["sqlalchemy", "psycopg"], "llm": ["openai"]}
LOGICS = {"hello": Settings, "database": DatabaseSettings, "llm": LlmSettings}
