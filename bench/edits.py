"""The time from saving an edit to its first answer, under `make dev`."""

import tempfile
import time
from pathlib import Path

from tests.e2e.cluster import SERVICES, Cluster
from tests.e2e.dev_session import dev_session, edit

# skaffold.yaml forwards this port.
URL = "http://127.0.0.1:8082"
# skaffold is still busy with an edit for a moment after the first answer; the next one would wait (seconds).
PAUSE = 2.0


def edits(cluster: Cluster, times: int) -> dict[str, list[float]]:
    """Edit each service some times and return the seconds from each edit to the first new answer."""
    seconds: dict[str, list[float]] = {app: [] for app in SERVICES}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, dev_session(cluster, Path(folder)):
        for app in SERVICES:
            for number in range(times):
                time.sleep(PAUSE)
                seconds[app].append(edit(Path(folder), app, f"edit {number} of the {app}", URL))
    return seconds
