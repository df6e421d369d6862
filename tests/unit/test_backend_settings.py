"""The backend's settings, which depend on its logic."""

import pytest

from backend.lookup import allowed_logics
from backend.settings import Settings
from common.settings import SettingsError


def test_the_default_logic_is_hello() -> None:
    assert Settings.from_environ({}).logic == "hello"


def test_settings_of_another_logic_are_ignored() -> None:
    assert type(Settings.from_environ({"DATABASE_URL": "nonsense", "LLM_MODEL": ""})) is Settings


@pytest.mark.parametrize(
    "logic", ["", "Hello", "llms", "no_such_package:answer", "json", "json:", "a b:c", ".json:x"]
)
def test_an_unknown_logic_is_refused_with_the_known_ones(logic: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environ({"LOGIC": logic})

    assert str(refused.value) == f"LOGIC={logic!r} is not allowed: expected {allowed_logics()}"
