"""The settings of the logic `database`."""

import pytest

from backend.settings import DatabaseSettings, Settings
from common.settings import SettingsError


def test_the_logic_adds_its_settings() -> None:
    assert isinstance(Settings.from_environ({"LOGIC": "database"}), DatabaseSettings)


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


def test_the_start_up_line_shows_no_secret() -> None:
    url = "postgresql+psycopg://me:hunter2@db/zones?sslpassword=hunter3"

    line = str(Settings.from_environ({"LOGIC": "database", "DATABASE_URL": url}))

    assert "DATABASE_URL=postgresql+psycopg://***@db/***" in line
    assert "hunter" not in line
