"""The settings of the logic."""

from dataclasses import dataclass

import backend.settings
from common.settings import setting


@dataclass(frozen=True, kw_only=True)
class Settings(backend.settings.Settings):
    """Where the records are."""

    database_url: str = setting(str, "A PostgreSQL.")
