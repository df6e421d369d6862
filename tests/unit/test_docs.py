"""The files and tests that the documentation names exist."""

import re

import pytest

from tests.processes import ROOT

GUIDES = ["README.md", "CONTRIBUTING.md"]
FOLDERS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("[a-z]*/README.md", "backend/logic/*/README.md")
    for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize("name", GUIDES + FOLDERS)
def test_what_the_documentation_names_exists(name: str) -> None:
    text = (ROOT / name).read_text()
    sources = "".join(path.read_text() for path in ROOT.glob("*/**/test_*.py"))

    paths = set(re.findall(r"`((?:backend/logic/\w+/tests|client|common|tests)/[\w./]*)`", text))
    tests = set(re.findall(r"`(test_\w+)`", text))
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []
    assert sorted(test for test in tests if f"def {test}(" not in sources) == []
