"""The README's table of settings, checked against the code."""

import re
from collections import defaultdict
from dataclasses import Field, fields
from typing import Any

from backend.settings import LOGICS
from client.settings import Settings as ClientSettings
from tests.manifests.services import ROOT


def test_the_readme_lists_every_setting_with_its_default_and_meaning() -> None:
    readme = (ROOT / "README.md").read_text()
    rows = set(re.findall(r"^\| `[A-Z_]+` \|.*\|$", readme, flags=re.MULTILINE))
    owners: dict[str, dict[str, Field[Any]]] = defaultdict(dict)  # setting: service: its field
    for service, settings in [("backend", each) for each in LOGICS.values()] + [("client", ClientSettings)]:
        for field in fields(settings):
            owners[field.name][service] = field
    expected = set()
    for name, services in owners.items():
        metadata = [field.metadata for field in services.values()]
        defaults = " / ".join(dict.fromkeys(each["shown_default"] for each in metadata))
        expected.add(
            f"| `{name.upper()}` | {' and '.join(services)} | {defaults} | {metadata[0]['meaning']} |"
        )
    assert rows == expected
