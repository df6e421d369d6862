"""What kustomize renders."""

import shutil
import subprocess
from functools import cache
from typing import Any

import pytest
import yaml

from tests.manifests.services import ROOT, SECRETS

PATTERNS = ("k8s/base", "k8s/overlays/*", "backend/logic/*/k8s/overlays/*")
OVERLAYS = [str(path.relative_to(ROOT)) for each in PATTERNS for path in sorted(ROOT.glob(each))]


@cache
def objects(overlay: str) -> list[dict[str, Any]]:
    """Return what kustomize renders."""
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl on this machine to render the manifests")
    text = subprocess.run(
        ["kubectl", "kustomize", str(ROOT / overlay)], check=True, capture_output=True, text=True
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
        source = each.get("valueFrom", {})
        if source.get("configMapKeyRef", {}).get("optional") or "fieldRef" in source:
            continue  # the user has made no ConfigMap; what Kubernetes fills in is for other variables
        secret = source.get("secretKeyRef")
        env[each["name"]] = SECRETS[secret["name"]][secret["key"]] if secret else each["value"]
    for each in container(deployment).get("envFrom", []):
        env |= SECRETS[each["secretRef"]["name"]]
    return env
