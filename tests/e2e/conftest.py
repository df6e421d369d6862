"""Fixtures for tests on the kind cluster."""

import pytest
from kubernetes.config import ConfigException

from tests.e2e import measurements
from tests.e2e.caller_pod import make_namespace
from tests.e2e.cluster import CONTEXT, Cluster


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    try:
        cluster = Cluster()
    except ConfigException:
        pytest.fail(f"no kubectl context {CONTEXT}: run `make cluster` first")
    make_namespace(cluster)
    return cluster


@pytest.fixture(autouse=True)
def healthy(cluster: Cluster) -> None:
    """Start each test with the pair settled."""
    cluster.settle()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measurements."""
    if measurements.cases or measurements.notes:
        terminalreporter.section("measurements")
        for line in [*(measurements.table() if measurements.cases else []), "", *measurements.notes]:
            terminalreporter.write_line(line)
