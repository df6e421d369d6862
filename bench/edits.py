"""From a saved edit to its first answer, under `make dev`."""

import tempfile
import time
from pathlib import Path

from tests.e2e.cluster import SERVICES, Cluster
from tests.e2e.dev_session import dev_session, edit

# The forward of skaffold.yaml.
URL = "http://127.0.0.1:8082"
# After an answer, for the last step of skaffold's round; another edit before would wait for it (seconds).
REST = 2.0


def edits(cluster: Cluster, times: int) -> dict[str, list[float]]:
    """Edit each service some times; gives the seconds from the write to the first new answer."""
    seconds: dict[str, list[float]] = {app: [] for app in SERVICES}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, dev_session(cluster, Path(folder)):
        for app in SERVICES:
            for number in range(times):
                time.sleep(REST)
                seconds[app].append(edit(Path(folder), app, f"edit {number} of the {app}", URL))
    return seconds
