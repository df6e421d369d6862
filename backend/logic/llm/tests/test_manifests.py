"""What kustomize and compose are told about the model to try things out with, checked against the code."""

from typing import Any
from urllib.parse import urlsplit

import yaml

from backend.logic.llm.settings import Settings
from tests.manifests.kustomize import container, environment, rendered
from tests.processes import ROOT

TRYOUT = "backend/logic/llm/k8s/overlays/llm-tryout"


def test_the_backend_calls_the_model_that_comes_along_and_needs_no_secret() -> None:
    backend = rendered(TRYOUT, "Deployment")["backend"]
    url = urlsplit(Settings.from_environ(environment(backend)).llm_base_url)

    assert "envFrom" not in container(backend)
    [port] = rendered(TRYOUT, "Service")[url.hostname or ""]["spec"]["ports"]
    assert url.port == port["port"]


def test_the_backend_reaches_the_model_and_no_other_endpoint() -> None:
    policy = rendered(TRYOUT, "NetworkPolicy")["backend-llm"]["spec"]

    model = rendered(TRYOUT, "Deployment")["model"]["spec"]["template"]["metadata"]["labels"]
    assert policy["egress"] == [
        {"to": [{"podSelector": {"matchLabels": model}}], "ports": [{"port": "http"}]}
    ]


def test_composes_backend_calls_the_model_that_comes_along() -> None:
    file = ROOT / "backend" / "logic" / "llm" / "compose.tryout.yaml"
    services: dict[str, Any] = yaml.safe_load(file.read_text())["services"]
    settings = Settings.from_environ(services["backend"]["environment"])

    assert urlsplit(settings.llm_base_url).hostname in services
