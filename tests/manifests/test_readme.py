"""The tables of settings in the READMEs, checked against the code."""

import re
from collections import defaultdict
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest

from tests.manifests.services import FOLDERS, ROOT, SETTINGS, own_fields


def rows(readme: Path) -> set[str]:
    return set(re.findall(r"^\| `[A-Z_]+` \|.*\|$", readme.read_text(), flags=re.MULTILINE))


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    owners: dict[str, dict[str, Field[Any]]] = defaultdict(dict)  # setting: service: its field
    for service, settings in SETTINGS.items():
        for field in fields(settings):
            owners[field.name][service] = field
    expected = set()
    for name, services in owners.items():
        metadata = [field.metadata for field in services.values()]
        defaults = " / ".join(dict.fromkeys(each["shown_default"] for each in metadata))
        expected.add(
            f"| `{name.upper()}` | {' and '.join(services)} | {defaults} | {metadata[0]['meaning']} |"
        )
    assert rows(ROOT / "README.md") == expected


@pytest.mark.parametrize("logic", FOLDERS)
def test_a_logics_readme_lists_its_settings(logic: str) -> None:
    assert rows(FOLDERS[logic] / "README.md") == {
        f"| `{field.name.upper()}` | {field.metadata['shown_default']} | {field.metadata['meaning']} |"
        for field in own_fields(logic)
    }
