"""The backend's settings, which depend on its logic."""

import pytest

from backend.settings import DatabaseSettings, LlmSettings, Settings
from common.settings import SettingsError

LLM = {"LOGIC": "llm", "LLM_BASE_URL": "https://models.example/v1/", "LLM_MODEL": "large"}


def test_the_default_logic_is_hello() -> None:
    assert Settings.from_environ({}).logic == "hello"


def test_a_logic_adds_its_own_settings() -> None:
    assert isinstance(Settings.from_environ({"LOGIC": "database"}), DatabaseSettings)
    assert isinstance(Settings.from_environ(LLM), LlmSettings)


def test_settings_of_another_logic_are_ignored() -> None:
    assert type(Settings.from_environ({"DATABASE_URL": "nonsense", "LLM_MODEL": ""})) is Settings


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
    "url",
    [
        "",
        "sqlite://",
        "postgres://me:hunter2@db/zones",
        "postgresql://me:hunter2@db/zones",
        "postgresql+psycopg://me:hunter2@db",
        "postgresql+psycopg://me:hunter2@db/",
        "postgresql+psycopg://me:hunter2@/zones",
        "postgresql+psycopg://me:hunter2@db:port/zones",
        "postgresql+psycopg://me:hunter2@db:0/zones",
        "postgresql+psycopg://me:hunter2@db:65536/zones",
        "postgresql+psycopg://me:hunter2@[db/zones",
        "postgresql+psycopg://me:hunter2@[db]/zones",
        "postgresql+psycopg://me:hunter2@1.2.3/zones",
        "postgresql+psycopg://me:hunter2@db/zones\n",
        "postgresql+psycopg://me:hunter2@db/zones#top",
        "postgresql+psycopg://me:hunter2@db/zones?application_name=a@b",
        "postgresql+psycopg://me:hunt@er2@db/zones",
        "postgresql+psycopg://me:1/hunter2@db/zones",
        "postgresql+psycopg://host=db password=hunter2/zones",
    ],
)
def test_an_invalid_database_url_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"is not allowed: expected postgresql\+psycopg://") as refused:
        Settings.from_environ({"LOGIC": "database", "DATABASE_URL": url})

    assert str(refused.value).startswith(f"DATABASE_URL={'***' if url else ''!r}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://me:p%40ss@db/zones?sslmode=require", "postgresql+psycopg://***@db/***"),
        ("postgresql+psycopg://me@127.0.0.1:5433/zones", "postgresql+psycopg://***@127.0.0.1:5433/***"),
        ("postgresql+psycopg://[::1]:5433/zones", "postgresql+psycopg://[::1]:5433/***"),
    ],
)
def test_a_postgresql_is_accepted_and_shown_without_its_user(url: str, shown: str) -> None:
    settings = Settings.from_environ({"LOGIC": "database", "DATABASE_URL": url})

    assert isinstance(settings, DatabaseSettings)
    assert settings.database_url == url
    assert f" DATABASE_URL={shown}" in str(settings)


@pytest.mark.parametrize(
    "url", ["", "models.example", "ftp://models.example", "http://me:hunter2@models.example"]
)
def test_an_invalid_endpoint_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"LLM_BASE_URL=.* is not allowed: expected http://") as refused:
        Settings.from_environ(LLM | {"LLM_BASE_URL": url})

    assert "hunter2" not in str(refused.value)


def test_the_start_up_line_shows_no_secret() -> None:
    url = "postgresql+psycopg://me:hunter2@db/zones?sslpassword=hunter3"

    database = str(Settings.from_environ({"LOGIC": "database", "DATABASE_URL": url}))
    llm = str(Settings.from_environ(LLM | {"LLM_API_KEY": "https://hunter4"}))

    assert "DATABASE_URL=postgresql+psycopg://***@db/***" in database
    assert "LLM_BASE_URL=https://models.example/*** " in llm
    assert "LLM_API_KEY=***" in llm
    assert "hunter" not in database + llm
