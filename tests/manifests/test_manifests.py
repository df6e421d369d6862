"""What kustomize renders, checked against the code."""

import re
import shutil
import subprocess
from base64 import b64decode
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from backend.settings import DatabaseSettings
from common.drain import FLAG
from common.serving.server import graceful_timeout
from tests.manifests.services import ROOT, SETTINGS, variables

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


def container(deployment: dict[str, Any]) -> Any:
    """Return the only container of a Deployment's or StatefulSet's Pods."""
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
        assert env.keys() <= variables(SETTINGS[name].from_environ(env))


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
