"""The services, the logics and their settings, which every description of them must match."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from backend.lookup import built_in_logics, settings_of
from backend.settings import Settings as BackendSettings
from client.settings import Settings as ClientSettings
from common.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, type[ServiceSettings]] = {"backend": BackendSettings, "client": ClientSettings}
LOGICS = {name: settings_of(name, BackendSettings) for name in built_in_logics()}
# Those that have a folder, with settings of their own.
FOLDERS = {name: ROOT / "backend" / "logic" / name for name in LOGICS if LOGICS[name] is not BackendSettings}
# Secrets that are the user's own, by name, with values that are allowed.
SECRETS: dict[str, dict[str, str]] = {}
for _file in ROOT.glob("backend/logic/*/tests/secrets.yaml"):
    SECRETS |= yaml.safe_load(_file.read_text())


def variables(settings: ServiceSettings | type[ServiceSettings]) -> set[str]:
    """Return the names of the environment variables."""
    return {field.name.upper() for field in fields(settings)}


def own_fields(logic: str) -> list[Any]:
    """Return the fields that a logic's settings have beside the backend's."""
    return [field for field in fields(LOGICS[logic]) if field.name.upper() not in variables(BackendSettings)]
