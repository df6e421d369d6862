"""Versions meet during a roll-out: what both know is answered, whichever service goes first."""

import pytest

from tests.e2e.cluster import SERVICES, Cluster, run
from tests.e2e.nothing_lost import nothing_lost

# To be the last release's tag, once there is one. Until then the last commit before the serving package,
# the contract and the call between the services were written anew.
EARLIER = "20a9e66"

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The earlier version's images, on the cluster's nodes."""
    folder = tmp_path_factory.mktemp("earlier")
    run("git", "archive", "--output", str(folder / "earlier.tar"), EARLIER)
    run("tar", "--extract", "--file", str(folder / "earlier.tar"), "--directory", str(folder))
    images = {service: f"{service}:{EARLIER}" for service in SERVICES}
    for service, image in images.items():
        dockerfile = folder / service / "Dockerfile"
        run("docker", "build", "--tag", image, "--file", str(dockerfile), str(folder), timeout=600)
        run("kind", "load", "docker-image", image, "--name", "api-network")
    return images


@pytest.mark.parametrize("order", [SERVICES, SERVICES[::-1]], ids=lambda order: f"{order[0]}-first")
def test_rolling_from_an_earlier_version_and_back_loses_nothing(
    cluster: Cluster, earlier: dict[str, str], order: tuple[str, ...]
) -> None:
    current = {service: cluster.container(service).image for service in SERVICES}
    assert not current.items() & earlier.items()
    try:
        deploy(cluster, earlier, SERVICES)
        case = f"from {EARLIER} to today's version and back, {order[0]} first"
        # The earlier version closes what is idle 15 s after it was asked to stop.
        with nothing_lost(cluster, case, idle_connections=0):
            for images in (current, earlier):
                for service in order:
                    deploy(cluster, images, (service,))
    finally:
        deploy(cluster, current, SERVICES)


def deploy(cluster: Cluster, images: dict[str, str], services: tuple[str, ...]) -> None:
    for service in services:
        cluster.patch_container(service, image=images[service])
    cluster.settle()
