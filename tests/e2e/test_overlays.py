"""The API server accepts every overlay, without a warning of Pod Security."""

import pytest

from tests.e2e.cluster import ROOT, kubectl

PATTERNS = ("k8s/base", "k8s/overlays/*", "backend/logic/*/k8s/overlays/*")
OVERLAYS = [str(path.relative_to(ROOT)) for each in PATTERNS for path in sorted(ROOT.glob(each))]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_accepts_the_overlay_without_a_warning(overlay: str) -> None:
    output = kubectl("apply", "--dry-run=server", "--kustomize", overlay)
    assert "deployment.apps/backend" in output
    assert "Warning" not in output
