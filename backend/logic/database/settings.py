"""The settings of `database`."""

import re
from dataclasses import dataclass

from backend import settings
from common.settings import hidden, setting
from common.urls import is_address, is_name

# What could end a part early must be percent-encoded, or SQLAlchemy would find another host in it.
DATABASE_URL = re.compile(
    r"postgres(ql(\+psycopg)?)?://(?P<user>[^\s@/?#]*@)?(?P<host>[\w.-]+|\[[\w.:]+\])(?P<port>:[0-9]{1,5})?"
    r"/[^\s@/?#]+(\?[^\s@#]*)?"
)
NAME = r"[^.,*\s\0]+"
TABLES = re.compile(rf"{NAME}\.({NAME}|\*)(,{NAME}\.({NAME}|\*))*")


def database_parts(text: str) -> re.Match[str]:
    """Return the parts of an allowed DATABASE_URL."""
    match = DATABASE_URL.fullmatch(text)
    if match:
        host, port = match["host"], int((match["port"] or ":5432")[1:])
        if (is_name(host) or is_address(host.strip("[]"))) and 1 <= port <= 65535:
            return match
    raise ValueError("postgresql://user:password@host[:port]/database[?option=value]")


def database_url(text: str) -> str:
    """Parse DATABASE_URL; the result is SQLAlchemy's."""
    return "postgresql+psycopg://" + database_parts(text).string.partition("://")[2]


def masked_database_url(text: str) -> str:
    """Return the host and port of an allowed DATABASE_URL, and `***` for any other text."""
    try:
        user, host, port = database_parts(text).group("user", "host", "port")
    except ValueError:
        return hidden(text)
    return f"postgresql://{'***@' if user else ''}{host}{port or ''}/***"


def database_tables(text: str) -> str:
    """Parse DATABASE_TABLES."""
    if not TABLES.fullmatch(text):
        raise ValueError("schema.table or schema.*, several with commas between them")
    return text


def path(text: str) -> str:
    """Parse the path of a file."""
    if not text or "\0" in text or "://" in text:
        raise ValueError("the path of a file")
    return text


@dataclass(frozen=True, kw_only=True)
class Settings(settings.Settings):
    """The backend's settings and those of `database`."""

    data: str = setting(
        path,
        "A file with the data: CSV, Parquet, DuckDB or SQLite. It is only read.",
        default="",
        shown_default="time zones, as an example",
    )
    database_url: str = setting(
        database_url,
        "Instead of a file, a PostgreSQL: `postgresql://user:password@host[:port]/database`. "
        "Percent-encode what is special in a URL.",
        default="",
        shown_default="none",
        mask=masked_database_url,
    )
    database_tables: str = setting(
        database_tables,
        "Which of its tables and views are served: `schema.table` or `schema.*`, with commas between them.",
        default="",
        shown_default="required with `DATABASE_URL`",
    )

    def conflicts(self) -> list[str]:
        """Return a line for each setting whose value is not allowed beside that of another one."""
        found = super().conflicts()
        if self.data and self.database_url:
            found.append("DATA and DATABASE_URL are both set: expected one of them")
        if self.database_url and not self.database_tables:
            found.append("DATABASE_TABLES is missing: expected schema.table or schema.*, beside DATABASE_URL")
        if self.database_tables and not self.database_url:
            found.append("DATABASE_TABLES is set without DATABASE_URL: expected both or neither")
        return found
