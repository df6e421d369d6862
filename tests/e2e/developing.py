"""`make dev` on a copy of the project, so that files can be edited."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster import NAMESPACE, ROOT, Cluster, run, until


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
