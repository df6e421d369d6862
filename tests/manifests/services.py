"""The services and their settings, which every description of them must match."""

from dataclasses import fields
from pathlib import Path

from backend.settings import Settings as BackendSettings
from client.settings import Settings as ClientSettings
from common.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, type[ServiceSettings]] = {"backend": BackendSettings, "client": ClientSettings}


def variables(settings: ServiceSettings | type[ServiceSettings]) -> set[str]:
    """Return the names of the environment variables."""
    return {field.name.upper() for field in fields(settings)}
