"""What the manifests promise, checked on what kustomize renders."""

import re
import shutil
import subprocess
from base64 import b64decode
from collections import defaultdict
from dataclasses import Field, fields
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from backend.settings import LOGICS, DatabaseSettings
from backend.settings import Settings as BackendSettings
from client.settings import Settings as ClientSettings
from common.drain import FLAG
from common.serving.server import graceful_timeout
from common.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, type[ServiceSettings]] = {"backend": BackendSettings, "client": ClientSettings}
OVERLAYS = ["base", *sorted(f"overlays/{path.name}" for path in (ROOT / "k8s/overlays").iterdir())]
# All others change the backend alone.
CHANGES_BOTH = {"overlays/autoscaling", "overlays/dev"}
# What the README asks for in Secrets that are the user's own.
SECRETS = {
    "database": {"DATABASE_URL": "postgresql+psycopg://user:password@host/database"},
    "llm": {"LLM_BASE_URL": "https://models.example/v1", "LLM_MODEL": "large"},
}


@cache
def objects(overlay: str) -> list[dict[str, Any]]:
    """Return what kustomize renders."""
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl on this machine to render the manifests")
    text = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / "k8s" / overlay)], check=True, capture_output=True, text=True
    ).stdout
    return list(yaml.safe_load_all(text))


def rendered(overlay: str, kind: str) -> dict[str, Any]:
    """Return the objects of a kind, by name."""
    return {each["metadata"]["name"]: each for each in objects(overlay) if each["kind"] == kind}


def names(settings: ServiceSettings | type[ServiceSettings]) -> set[str]:
    """The variables that set them."""
    return {field.name.upper() for field in fields(settings)}


def container(deployment: dict[str, Any]) -> Any:
    """The Pod's only container."""
    [only] = deployment["spec"]["template"]["spec"]["containers"]
    return only


def environment(deployment: dict[str, Any]) -> dict[str, str]:
    """Return a container's environment, once the user has made the Secrets."""
    env = {}
    for each in container(deployment).get("env", []):
        secret = each.get("valueFrom", {}).get("secretKeyRef")
        env[each["name"]] = SECRETS[secret["name"]][secret["key"]] if secret else each["value"]
    for each in container(deployment).get("envFrom", []):
        env |= SECRETS[each["secretRef"]["name"]]
    return env


@pytest.fixture(scope="module", params=OVERLAYS)
def deployments(request: pytest.FixtureRequest) -> dict[str, Any]:
    return rendered(request.param, "Deployment")


def test_every_environment_variable_is_a_setting_with_an_allowed_value(deployments: dict[str, Any]) -> None:
    assert deployments.keys() == SETTINGS.keys()
    for name, deployment in deployments.items():
        env = environment(deployment)
        assert env.keys() <= names(SETTINGS[name].from_environ(env))


@pytest.mark.parametrize("overlay", sorted(set(OVERLAYS) - CHANGES_BOTH))
def test_another_logic_leaves_the_client_as_it_is(overlay: str) -> None:
    for kind in ("Deployment", "Service", "NetworkPolicy"):
        assert rendered(overlay, kind)["client"] == rendered("base", kind)["client"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_is_in_the_namespace(overlay: str) -> None:
    for each in objects(overlay):
        name = each["metadata"]["name" if each["kind"] == "Namespace" else "namespace"]
        assert name == "api-network", each


def test_the_database_that_comes_along_is_the_one_that_the_backend_uses() -> None:
    secret = {
        key: b64decode(value).decode()
        for key, value in rendered("overlays/postgres", "Secret")["database"]["data"].items()
    }
    env = {"LOGIC": "database", "DATABASE_URL": secret["DATABASE_URL"]}
    url = urlsplit(DatabaseSettings.from_environ(env).database_url)

    postgres = container(rendered("overlays/postgres", "StatefulSet")["postgres"])
    set_up = {each["name"]: each.get("value") for each in postgres["env"]}
    assert (url.username, url.path) == (set_up["POSTGRES_USER"], f"/{set_up['POSTGRES_DB']}")
    assert url.password == secret["POSTGRES_PASSWORD"]
    assert url.hostname in rendered("overlays/postgres", "Service")


@pytest.mark.parametrize("overlay", ["overlays/database", "overlays/postgres"])
def test_of_the_databases_secret_only_the_url_reaches_the_backend(overlay: str) -> None:
    backend = container(rendered(overlay, "Deployment")["backend"])
    [url] = [each for each in backend["env"] if "valueFrom" in each]
    key = {"name": "database", "key": "DATABASE_URL", "optional": True}  # without it, it is SQLite
    assert url == {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": key}}
    assert "envFrom" not in backend


def test_a_broken_pod_can_be_evicted() -> None:
    for budget in rendered("base", "PodDisruptionBudget").values():
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_container_and_service_ports_are_the_ones_the_service_listens_on() -> None:
    for name, deployment in rendered("base", "Deployment").items():
        port = SETTINGS[name].from_environ({}).port
        [service] = rendered("base", "Service")[name]["spec"]["ports"]
        assert container(deployment)["ports"] == [{"name": "http", "containerPort": port}]
        assert service == {"name": "http", "port": port, "targetPort": "http"}


def test_a_stopping_pod_has_time_to_drain_and_to_answer() -> None:
    for name, deployment in rendered("base", "Deployment").items():
        command = container(deployment)["lifecycle"]["preStop"]["exec"]["command"][-1]
        flag, pause = re.fullmatch(r"touch (\S+) && sleep (\d+)", command).groups()  # type: ignore[union-attr]
        cut_off = int(pause) + graceful_timeout(SETTINGS[name].from_environ(environment(deployment)))
        assert flag == "/tmp/" + FLAG.name
        assert cut_off + 5 <= deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]


def test_compose_waits_for_answers_longer_than_gunicorn_does() -> None:
    for name, service in compose().items():
        settings = SETTINGS[name].from_environ(environment_of(service))
        assert graceful_timeout(settings) < int(service["stop_grace_period"].removesuffix("s"))


def test_composes_environment_variables_are_settings_with_allowed_values() -> None:
    for name, service in compose().items():
        env = environment_of(service)
        assert env.keys() <= names(SETTINGS[name].from_environ(env))


def test_compose_passes_on_what_sets_a_logic() -> None:
    passed_on = {name for name, value in compose()["backend"]["environment"].items() if value is None}
    assert passed_on == {"LOGIC"} | set().union(*map(names, LOGICS.values())) - names(BackendSettings)
    assert compose()["backend"]["build"]["args"] == {"LOGIC": None}


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """Return the variables that a compose service sets whatever the shell has."""
    return {name: value for name, value in service.get("environment", {}).items() if value is not None}


def compose() -> dict[str, Any]:
    """The compose file's services."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services.keys() == SETTINGS.keys()
    return services


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
