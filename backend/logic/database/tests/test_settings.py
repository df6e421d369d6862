"""The settings of the logic `database`."""

import pytest

from backend.logic.database.settings import Settings as DatabaseSettings
from backend.settings import Settings
from common.settings import SettingsError

DATABASE = {"LOGIC": "database", "DATABASE_TABLES": "public.orders,sales.*"}


def test_the_logic_adds_its_settings() -> None:
    assert isinstance(Settings.from_environ({"LOGIC": "database"}), DatabaseSettings)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite://",
        "postgresql+asyncpg://me:hunter2@db/zones",
        "mysql://me:hunter2@db/zones",
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
    with pytest.raises(SettingsError, match=r"is not allowed: expected postgresql://") as refused:
        Settings.from_environ({"LOGIC": "database", "DATABASE_URL": url})

    assert str(refused.value).startswith(f"DATABASE_URL={'***' if url else ''!r}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:p%40ss@db/zones?sslmode=require", "postgresql://***@db/***"),
        ("postgres://me@127.0.0.1:5433/zones", "postgresql://***@127.0.0.1:5433/***"),
        ("postgresql+psycopg://[::1]:5433/zones", "postgresql://[::1]:5433/***"),
        ("postgresql://me:hunter2@db/zones?sslpassword=hunter3", "postgresql://***@db/***"),
    ],
)
def test_a_postgresql_is_accepted_and_shown_without_its_user(url: str, shown: str) -> None:
    settings = Settings.from_environ(DATABASE | {"DATABASE_URL": url})

    assert isinstance(settings, DatabaseSettings)
    assert settings.database_url == "postgresql+psycopg://" + url.partition("://")[2]
    assert f" DATABASE_URL={shown} " in str(settings)
    assert "hunter" not in str(settings)


@pytest.mark.parametrize(
    "tables", ["", "orders", "public.", ".orders", "public.orders,", "*.orders", "a.b.c", "a. b"]
)
def test_tables_without_their_schema_are_refused(tables: str) -> None:
    with pytest.raises(SettingsError, match=r"expected schema\.table or schema\.\*, several with commas"):
        Settings.from_environ(DATABASE | {"DATABASE_URL": "postgresql://db/x", "DATABASE_TABLES": tables})


@pytest.mark.parametrize(
    ("environ", "refused"),
    [
        (
            DATABASE | {"DATABASE_URL": "postgresql://db/x", "DATA": "orders.csv"},
            "DATA and DATABASE_URL are both set: expected one of them",
        ),
        (
            {"LOGIC": "database", "DATABASE_URL": "postgresql://db/x"},
            "DATABASE_TABLES is missing: expected schema.table or schema.*, beside DATABASE_URL",
        ),
        (DATABASE, "DATABASE_TABLES is set without DATABASE_URL: expected both or neither"),
        ({"LOGIC": "database", "DATA": ""}, "DATA='' is not allowed: expected the path of a file"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(environ: dict[str, str], refused: str) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environ(environ)

    assert str(error.value) == refused
