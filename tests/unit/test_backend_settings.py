"""The backend's settings, which depend on its logic."""

from backend.settings import Settings


def test_the_default_logic_is_hello() -> None:
    assert Settings.from_environ({}).logic == "hello"


def test_settings_of_another_logic_are_ignored() -> None:
    assert type(Settings.from_environ({"DATABASE_URL": "nonsense", "LLM_MODEL": ""})) is Settings
