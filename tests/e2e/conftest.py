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


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Print the measurements; those of a run with every case, in which everything passed, are kept."""
    if not (measurements.cases or measurements.notes):
        return
    terminalreporter.section("measurements")
    terminalreporter.write_line(measurements.report())
    if exitstatus == pytest.ExitCode.OK and config.option.markexpr != "not full":
        # As `make e2e-full` calls it.
        complete = config.args == ["tests", "backend"] and "deselected" not in terminalreporter.stats
        measurements.write(len(Cluster().core.list_node().items), complete=complete)
