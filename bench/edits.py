"""From a saved edit to its first answer, under `make dev`."""

import json
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.e2e.cluster import SERVICES, Cluster, until
from tests.e2e.developing import developing

# The forward of skaffold.yaml.
URL = "http://127.0.0.1:8082"
# What is edited in each service: a file, a text in it, and what stands there instead.
EDITS = {
    "backend": ("backend/logic/hello.py", '"hello world"', '"{}"'),
    "client": ("client/app.py", '"source": "client"', '"source": "client", "message": "{}"'),
}
# After an answer, for the last step of skaffold's round; another edit before would wait for it (seconds).
REST = 2.0


def message() -> str:
    """What the pair says."""
    try:
        with urllib.request.urlopen(URL, timeout=10) as answer:
            return str(json.load(answer)["message"])
    except OSError as error:  # also an HTTP error
        return repr(error)


def edits(cluster: Cluster, times: int) -> dict[str, list[float]]:
    """Edit each service some times; gives the seconds from the write to the first new answer."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, developing(cluster, Path(folder)):
        return {app: [edit(Path(folder), app, number) for number in range(times)] for app in SERVICES}


def edit(folder: Path, app: str, number: int) -> float:
    """Edit a service and wait until it is live."""
    name, old, new = EDITS[app]
    original = (Path(__file__).parents[1] / name).read_text()
    text = f"edit {number} of the {app}"
    time.sleep(REST)
    started = time.monotonic()
    (folder / name).write_text(original.replace(old, new.format(text)))
    until(lambda: message() == text, f"live: {text}", seconds=60, pause=0.02)
    return time.monotonic() - started
