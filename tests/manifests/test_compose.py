"""compose.yaml, checked against the code."""

from typing import Any

import yaml

from backend.settings import LOGICS
from common.serving.server import graceful_timeout
from tests.manifests.services import ROOT, SETTINGS, variables


def compose() -> dict[str, Any]:
    """Return the compose file's services."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services.keys() == SETTINGS.keys()
    return services


def fixed_environment(service: dict[str, Any]) -> dict[str, str]:
    """Return the variables that a service has whatever the shell's are."""
    return {name: value for name, value in service.get("environment", {}).items() if value is not None}


def test_compose_waits_for_answers_longer_than_gunicorn_does() -> None:
    for name, service in compose().items():
        settings = SETTINGS[name].from_environ(fixed_environment(service))
        assert graceful_timeout(settings) < int(service["stop_grace_period"].removesuffix("s"))


def test_composes_environment_variables_are_settings_with_allowed_values() -> None:
    for name, service in compose().items():
        env = fixed_environment(service)
        assert env.keys() <= variables(SETTINGS[name].from_environ(env))


def test_compose_passes_on_what_sets_a_logic() -> None:
    backend = compose()["backend"]
    of_all_logics = set().union(*map(variables, LOGICS.values()))
    passed_on = {name for name, value in backend["environment"].items() if value is None}
    assert passed_on == {"LOGIC"} | of_all_logics - variables(SETTINGS["backend"])
    assert backend["build"]["args"] == {"LOGIC": None}
