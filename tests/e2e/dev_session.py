"""`make dev` on a copy of the project, and edits in it."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster import NAMESPACE, ROOT, Cluster, run, skaffold_run, until

# For each service, the file to edit, the text to replace in it, and the replacement. An edited client
# overrides the backend's message.
EDITS = {
    "backend": ("backend/logic/hello.py", '"hello world"', '"{}"'),
    "client": ("client/app.py", '"source": "client"', '"source": "client", "message": "{}"'),
}


@contextmanager
def dev_session(cluster: Cluster, folder: Path) -> Iterator[None]:
    """Run `make dev` in a copy of the project while the block runs, and deploy the pair again afterwards."""
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard").split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    log = folder / "dev.log"
    try:
        with (
            log.open("w") as output,
            subprocess.Popen(
                ["make", "dev"], cwd=folder, stdout=output, stderr=output, start_new_session=True
            ) as dev,
        ):
            try:
                until(lambda: "Watching for changes" in log.read_text(), f"watching for changes: {log}", 300)
                yield
            finally:
                # Ctrl-C reaches the whole foreground process group.
                os.killpg(dev.pid, signal.SIGINT)
                dev.wait(timeout=180)
        until(
            lambda: not cluster.core.list_namespaced_pod(NAMESPACE).items,
            "cleaned up: the Pods of skaffold dev",
            60,
        )
    finally:
        skaffold_run()


def message(url: str) -> str:
    """Return the message in the service's answer, or the error."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(json.load(answer)["message"])
    except OSError as error:  # also an HTTP error
        return repr(error)


def edit(folder: Path, app: str, text: str, url: str) -> float:
    """Edit a service's message in the copy and return the seconds until it answers with it."""
    name, old, new = EDITS[app]
    original = (ROOT / name).read_text()
    assert old in original
    edited_at = time.monotonic()
    (folder / name).write_text(original.replace(old, new.format(text)))
    until(lambda: message(url) == text, f"live: the edit of {name}", seconds=60, pause=0.02)
    return time.monotonic() - edited_at
