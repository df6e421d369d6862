"""`skaffold dev`: an edit is live without an image build, and Ctrl-C cleans up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import measurements
from tests.e2e.cluster import SERVICES, Cluster, port_forward
from tests.e2e.dev_session import dev_session, edit, message

# More than the README says, since the cluster and this test share a machine (seconds).
LIVE_WITHIN = 3.0

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def project(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project that may be edited, under skaffold dev."""
    copy = tmp_path_factory.mktemp("project")
    with dev_session(cluster, copy):
        assert all(map(cluster.settled, SERVICES)), "an edit fails while earlier Pods are left"
        yield copy


@pytest.mark.parametrize("edited", SERVICES)
def test_an_edit_is_live_without_an_image_build_or_a_new_container(
    cluster: Cluster, project: Path, edited: str
) -> None:
    text = f"{edited} edit"
    containers = container_ids(cluster)
    with port_forward("service/client", 8082) as url:
        assert message(url) != text
        took = edit(project, edited, text, url)
        measurements.notes[f"edit of the {edited} under `make dev`"] = f"live after {took:.2f} s"
    assert took < LIVE_WITHIN
    assert container_ids(cluster) == containers


def container_ids(cluster: Cluster) -> set[str]:
    """Return the pair's containers, with their images."""
    statuses = [
        status for app in SERVICES for pod in cluster.pods(app) for status in pod.status.container_statuses
    ]
    return {f"{status.container_id} {status.image_id}" for status in statuses}
