"""One cluster for all cluster tests, healthy before each of them."""

import pytest
from kubernetes.config import ConfigException

from tests.e2e import figures
from tests.e2e.cluster import CONTEXT, Cluster
from tests.e2e.load import make_namespace


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
    if figures.loads or figures.notes:
        terminalreporter.section("figures")
        for line in [*(figures.table() if figures.loads else []), "", *figures.notes]:
            terminalreporter.write_line(line)
