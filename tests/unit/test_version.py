"""What is built: the version, said once in the code and once in pyproject.toml, and the commit."""

import tomllib

import pytest

from common.settings import ServiceSettings
from common.version import VERSION
from tests.manifests.services import ROOT


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


@pytest.mark.parametrize("environ", [{}, {"GIT_COMMIT": ""}, {"GIT_COMMIT": "unknown"}])
def test_a_commit_that_nobody_names_is_unknown(environ: dict[str, str]) -> None:
    assert ServiceSettings.from_environ(environ).git_commit == "unknown"
