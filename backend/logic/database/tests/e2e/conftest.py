"""The fixtures of tests/e2e, and a PostgreSQL."""

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import kubectl, run, skaffold_run
from tests.e2e.conftest import cluster, healthy

__all__ = ["cluster", "healthy"]


@pytest.fixture(scope="package")
def images() -> Iterator[None]:
    """Build what the tests deploy; afterwards the cluster is as `skaffold run` leaves it."""
    # From this machine, so that the nodes need not reach a registry.
    if not run("docker", "image", "ls", "--quiet", "postgres:18").strip():
        run("docker", "pull", "postgres:18", timeout=600)
    run("kind", "load", "docker-image", "postgres:18", "--name", "api-network", timeout=300)
    run("skaffold", "build", "--profile", "postgres", timeout=600)
    try:
        yield
    finally:
        skaffold_run()
        kubectl("delete", "statefulset,service,networkpolicy", "postgres", "--ignore-not-found")
        kubectl("delete", "persistentvolumeclaim", "--selector", "app=postgres")
        kubectl("delete", "networkpolicy", "backend-database", "backend-dns", "--ignore-not-found")
        kubectl("delete", "secret", "database", "--ignore-not-found")
