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

from tests.e2e.cluster import NAMESPACE, ROOT, Cluster, run, until

# What is edited in each service: a file, a text in it, and what stands there instead. The backend
# computes the message; once the client is edited, so does it.
EDITS = {
    "backend": ("backend/logic/hello.py", '"hello world"', '"{}"'),
    "client": ("client/app.py", '"source": "client"', '"source": "client", "message": "{}"'),
}


@contextmanager
def developing(cluster: Cluster, folder: Path) -> Iterator[None]:
    """Copy the project to a folder and run `make dev` there; the pair runs as before afterwards."""
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
        run("skaffold", "run", timeout=600)


def message(url: str) -> str:
    """What the service says, whoever answers it."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(json.load(answer)["message"])
    except OSError as error:  # also an HTTP error
        return repr(error)


def edit(folder: Path, app: str, text: str, url: str) -> float:
    """Have a service of the copy say a text; gives the seconds until it does."""
    name, old, new = EDITS[app]
    original = (ROOT / name).read_text()
    assert old in original
    edited_at = time.monotonic()
    (folder / name).write_text(original.replace(old, new.format(text)))
    until(lambda: message(url) == text, f"live: the edit of {name}", seconds=60, pause=0.02)
    return time.monotonic() - edited_at
