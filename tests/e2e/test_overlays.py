"""The API server accepts every overlay, without a warning of Pod Security."""

import pytest

from tests.e2e.cluster import ROOT, kubectl

OVERLAYS = ["base", *sorted(f"overlays/{path.name}" for path in (ROOT / "k8s/overlays").iterdir())]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_server_accepts_the_overlay_without_a_warning(overlay: str) -> None:
    output = kubectl("apply", "--dry-run=server", "--kustomize", f"k8s/{overlay}")
    assert "deployment.apps/backend" in output
    assert "Warning" not in output
