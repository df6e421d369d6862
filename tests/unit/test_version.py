"""The version is said once in the code and once in pyproject.toml."""

import tomllib

from common.version import VERSION
from tests.manifests.services import ROOT


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
