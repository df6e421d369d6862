"""What kustomize renders of the logic `database`, checked against the code."""

from base64 import b64decode
from urllib.parse import urlsplit

import pytest

from backend.logic.database.settings import Settings
from tests.manifests.kustomize import container, rendered

DATABASE, POSTGRES = (f"backend/logic/database/k8s/overlays/{name}" for name in ("database", "postgres"))


def test_the_database_that_comes_along_is_the_one_that_the_backend_uses() -> None:
    secret = {
        key: b64decode(value).decode()
        for key, value in rendered(POSTGRES, "Secret")["database"]["data"].items()
    }
    env = {"LOGIC": "database"} | {name: secret[name] for name in ("DATABASE_URL", "DATABASE_TABLES")}
    url = urlsplit(Settings.from_environ(env).database_url)

    postgres = container(rendered(POSTGRES, "StatefulSet")["postgres"])
    set_up = {each["name"]: each.get("value") for each in postgres["env"]}
    assert (url.username, url.path) == (set_up["POSTGRES_USER"], f"/{set_up['POSTGRES_DB']}")
    assert url.password == secret["POSTGRES_PASSWORD"]
    assert url.hostname in rendered(POSTGRES, "Service")


@pytest.mark.parametrize("overlay", [DATABASE, POSTGRES])
def test_of_the_databases_secret_only_url_and_tables_reach_the_backend(overlay: str) -> None:
    backend = container(rendered(overlay, "Deployment")["backend"])
    found = [each for each in backend["env"] if "secretKeyRef" in each.get("valueFrom", ())]
    keys = [
        {"name": "database", "key": name, "optional": overlay == DATABASE}  # without them, it is the example
        for name in ("DATABASE_URL", "DATABASE_TABLES")
    ]
    assert found == [{"name": key["key"], "valueFrom": {"secretKeyRef": key}} for key in keys]
    assert "envFrom" not in backend


def test_pods_are_replaced_when_the_data_is_no_longer_the_example() -> None:
    example, data = (
        rendered(each, "Deployment")["backend"]["spec"]["template"] for each in (DATABASE, POSTGRES)
    )

    assert example != data
