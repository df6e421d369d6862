"""The dashboard and the alert rules ask for what the services tell, and the rules say what to do."""

import os
import shutil
import subprocess
from collections import defaultdict

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.calls import call, connect
from tests.conftest import Start
from tests.monitoring import FOLDER, SCRAPED, queries, rules
from tests.processes import ROOT, free_port

IMAGE = "prom/prometheus:debian"


def promtool() -> list[str]:
    """Return the command that runs promtool in the folder of the rules."""
    if shutil.which("promtool"):
        return ["promtool"]
    image = ["docker", "image", "inspect", IMAGE]
    if shutil.which("docker") and not subprocess.run(image, capture_output=True, check=False).returncode:
        mounted = ["--volume", f"{FOLDER}:/rules:ro", "--workdir", "/rules", "--entrypoint", "promtool"]
        return ["docker", "run", "--rm", *mounted, IMAGE]
    lacking = "no promtool on this machine (Debian: prometheus)"
    if os.environ.get("CI"):
        pytest.fail(lacking)
    pytest.skip(lacking)


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "scrape.yaml"),
        ("check", "rules", "alerts.yaml"),
        ("test", "rules", "alerts_test.yaml"),
    ],
)
def test_promtool_finds_nothing_wrong_and_each_alert_fires(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([*promtool(), *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_asks_for_metrics_and_labels_that_a_service_tells(start: Start) -> None:
    told: dict[str, set[str]] = defaultdict(set)
    told["up"] = set()
    ports = {"backend": free_port(), "client": free_port()}
    backend = start("backend", METRICS_PORT=str(ports["backend"]))
    client = start("client", URL=f"127.0.0.1:{backend.port}", METRICS_PORT=str(ports["client"]))
    client.call("/")
    with connect(client.port, b"nonsense\r\n\r\n") as caller:
        caller.recv(1000)
    for port in ports.values():
        for family in text_string_to_metric_families(call(port, "/metrics").body.decode()):
            for sample in family.samples:
                told[sample.name] |= sample.labels.keys()

    for query in queries():
        assert query.metrics, query
        assert query.metrics <= told.keys(), query
        labels = set().union(*(told[name] for name in query.metrics))
        assert query.labels <= labels | SCRAPED, query


def test_every_alert_says_what_to_do_first_is_tested_and_is_explained() -> None:
    readme, tested = (ROOT / "README.md").read_text(), (FOLDER / "alerts_test.yaml").read_text()
    for rule in rules():
        assert rule["annotations"]["first"].endswith(".")
        assert f"alertname: {rule['alert']}" in tested
        assert f"| `{rule['alert']}` |" in readme
