"""compose.yaml, checked against the code."""

from typing import Any

import pytest
import yaml

from common.serving.stopping import requests_timeout
from tests.manifests.services import FOLDERS, ROOT, SETTINGS, own_fields, variables


def compose() -> dict[str, Any]:
    """Return the compose file's services."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services.keys() == SETTINGS.keys()
    return services


def fixed_environment(service: dict[str, Any]) -> dict[str, str]:
    """Return the variables that a service has whatever the shell's are."""
    return {name: value for name, value in service.get("environment", {}).items() if value is not None}


def test_compose_waits_for_answers_longer_than_workers_do() -> None:
    for name, service in compose().items():
        settings = SETTINGS[name].from_environ(fixed_environment(service))
        assert requests_timeout(settings) < int(service["stop_grace_period"].removesuffix("s"))


def test_composes_environment_variables_are_settings_with_allowed_values() -> None:
    for name, service in compose().items():
        env = fixed_environment(service)
        assert env.keys() <= variables(SETTINGS[name].from_environ(env))


def test_compose_passes_on_the_logic() -> None:
    backend = compose()["backend"]
    assert {name for name, value in backend["environment"].items() if value is None} == {"LOGIC"}
    assert backend["build"]["args"] == {"LOGIC": None, "GIT_COMMIT": None}


@pytest.mark.parametrize("logic", FOLDERS)
def test_a_logics_compose_file_builds_it_and_passes_on_its_settings(logic: str) -> None:
    backend = yaml.safe_load((FOLDERS[logic] / "compose.yaml").read_text())["services"]["backend"]
    own = {field.name.upper(): None for field in own_fields(logic)}
    assert backend["environment"] == {"LOGIC": logic} | own
    assert backend["build"]["args"] == {"LOGIC": logic}
