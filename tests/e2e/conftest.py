"""One cluster for all cluster tests, healthy before each of them."""

import pytest
from kubernetes.config import ConfigException

from tests.e2e.cluster import CONTEXT, Cluster
from tests.e2e.load import Load, make_namespace

reports: list[Load] = []


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
    """Print the figures of each load as a table."""
    if not reports:
        return
    terminalreporter.section("requests under change")
    terminalreporter.write_line("| case | caller | requests | failed | p50 ms | p99 ms | seconds |")
    terminalreporter.write_line("|---|---|---:|---:|---:|---:|---:|")
    for load in reports:
        for kind in ("keep-alive", "new connections"):
            figures = load.figures[kind]
            failed = sum(figures["failures"].values())
            cells = [
                figures["requests"],
                failed,
                figures["p50_ms"],
                figures["p99_ms"],
                load.figures["seconds"],
            ]
            terminalreporter.write_line(f"| {load.name} | {kind} | {' | '.join(map(str, cells))} |")
