"""The logic `database`: rows of any table, filtered and sorted, and numbers computed from them."""

from pathlib import Path

from backend.logic import Logic
from backend.logic.database.database import Database, Source
from backend.logic.database.description import operations
from backend.logic.database.routes import routes
from backend.logic.database.settings import Settings
from common.version import VERSION

EXAMPLE = Path(__file__).with_name("time_zones.csv")


def make(settings: Settings) -> Logic:
    database = Database(source(settings))
    built = f"{VERSION} {settings.git_commit}"
    return Logic(
        routes(database, built),
        database.tables,
        database.source.close,
        operations=lambda: operations(database.tables().values(), versions=bool(database.source.version())),
    )


def source(settings: Settings) -> Source:
    """Return what the settings name, or the example; drivers that it does not need stay out of memory."""
    if settings.database_url:
        from backend.logic.database.postgresql import PostgreSQL  # noqa: PLC0415  see above

        return PostgreSQL(settings.database_url, settings.database_tables)
    from backend.logic.database.files import File  # noqa: PLC0415

    return File(Path(settings.data) if settings.data else EXAMPLE)
