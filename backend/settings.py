"""The backend's settings. LOGIC chooses the logic, and with it which others there are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self

from common.settings import ServiceSettings, hidden, number, setting
from common.urls import base_url, is_address, is_name, masked_url


def logic(text: str) -> str:
    """Parse LOGIC without importing it, which only a worker does, once gevent has patched Python."""
    if text in LOGICS:
        if installed(text):
            return text
    elif re.fullmatch(r"\w+(\.\w+)*:\w+", text) and find_spec(text.partition(":")[0].partition(".")[0]):
        return text
    raise ValueError(allowed_logics())


def installed(name: str) -> bool:
    """Return whether the packages that a built-in logic needs are installed."""
    return all(find_spec(package) for package in NEEDS.get(name, ()))


def allowed_logics() -> str:
    """Return the names of the logics that may be chosen, and what the others need."""
    available = [name for name in LOGICS if installed(name)]
    missing = [f"{name} needs requirements/backend-{name}.txt" for name in LOGICS if name not in available]
    return "; ".join([f"{', '.join(available)} or an importable package.module:function", *missing])


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """The choice of a logic; a logic with settings of its own adds them in a subclass."""

    logic: str = setting(
        logic,
        "What answers: `hello`, `database`, `llm`, or a function of yours as `package.module:function`.",
        default="hello",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings of the chosen logic; see ServiceSettings.from_environ."""
        chosen = LOGICS.get(environ.get("LOGIC", ""), Settings)
        return super(Settings, chosen).from_environ(environ)  # type: ignore[return-value]  # the chosen subclass


# What could end a part early must be percent-encoded, or SQLAlchemy would find another host in it.
DATABASE_URL = re.compile(
    r"postgresql\+psycopg://(?P<user>[^\s@/?#]*@)?(?P<host>[\w.-]+|\[[\w.:]+\])(?P<port>:[0-9]{1,5})?"
    r"/[^\s@/?#]+(\?[^\s@#]*)?"
)


def database_parts(text: str) -> re.Match[str]:
    """Return the parts of an allowed DATABASE_URL."""
    match = DATABASE_URL.fullmatch(text)
    if match:
        host, port = match["host"], int((match["port"] or ":5432")[1:])
        if (is_name(host) or is_address(host.strip("[]"))) and 1 <= port <= 65535:
            return match
    raise ValueError("postgresql+psycopg://user:password@host[:port]/database[?option=value]")


def database_url(text: str) -> str:
    """Parse DATABASE_URL."""
    return database_parts(text).string


def masked_database_url(text: str) -> str:
    """Return the host and port of an allowed DATABASE_URL, and `***` for any other text."""
    try:
        user, host, port = database_parts(text).group("user", "host", "port")
    except ValueError:
        return hidden(text)
    return f"postgresql+psycopg://{'***@' if user else ''}{host}{port or ''}/***"


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings(Settings):
    """Settings of `database`."""

    database_url: str = setting(
        database_url,
        "`database`: a PostgreSQL, `postgresql+psycopg://user:password@host[:port]/database`. "
        "Percent-encode what is special in a URL.",
        default="",
        shown_default="SQLite in memory",
        mask=masked_database_url,
    )


def endpoint(text: str) -> str:
    """Parse LLM_BASE_URL."""
    try:
        return base_url(text).geturl()
    except ValueError:
        raise ValueError("http://host[:port][/path] or https://host[:port][/path]") from None


def plain_text(text: str) -> str:
    """Parse text that is sent in a request header or body."""
    if not re.fullmatch(r"[!-~]{1,1000}", text):
        raise ValueError("1 to 1000 ASCII characters without blanks")
    return text


@dataclass(frozen=True, kw_only=True)
class LlmSettings(Settings):
    """Settings of `llm`."""

    llm_base_url: str = setting(
        endpoint,
        "`llm`: an OpenAI-compatible endpoint, such as `https://api.openai.com/v1`.",
        mask=masked_url,
    )
    llm_model: str = setting(plain_text, "`llm`: the model's name there.")
    llm_api_key: str = setting(
        plain_text, "`llm`: the key for it, if it wants one.", default="", shown_default="none", mask=hidden
    )
    llm_max_tokens: int = setting(
        number(1, 100_000), "`llm`: longest answer of the model, in tokens.", default=1000
    )


# The packages of requirements/backend-*.txt.
NEEDS = {"database": ["sqlalchemy", "psycopg"], "llm": ["openai"]}
LOGICS = {"hello": Settings, "database": DatabaseSettings, "llm": LlmSettings}
