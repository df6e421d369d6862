"""One cluster for all cluster tests, healthy before each of them."""

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
    """Leave nothing of one test to the next."""
    cluster.settle()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if measurements.loads or measurements.notes:
        terminalreporter.section("figures")
        for line in [*(measurements.table() if measurements.loads else []), "", *measurements.notes]:
            terminalreporter.write_line(line)
